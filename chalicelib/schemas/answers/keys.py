"""API keys as callers see them."""

from typing import Annotated

from msgspec import Meta, Struct

from chalicelib.schemas.answers.fields import Time, one_of

KeyId = Annotated[str, Meta(examples=["k3x9m2q7w1ab"])]


class Key(Struct, kw_only=True):
    """An API key, without its secret."""

    id: Annotated[KeyId, Meta(description="The id: its part between `dk_` and the secret.")]
    name: Annotated[str, Meta(description="What people call it.")]
    owner: Annotated[str, Meta(description="Whose jobs and schedules its requests make.")]
    scopes: Annotated[
        list[Annotated[str, one_of("read", "generate", "admin")]],
        Meta(description="What it may do; `admin` includes the others."),
    ]
    requests_per_minute: Annotated[int, Meta(description="Requests in a minute, at most.")]
    images_per_day: Annotated[int, Meta(description="Images in a day of UTC, at most.")]
    megapixel_steps_per_day: Annotated[
        int, Meta(description="Width · height · steps / 1,000,000 of its images in a day, at most.")
    ]
    created_at: Time
    created_by: Annotated[
        KeyId | None, Meta(description="The id of the key that made it; null for an operator.")
    ]
    expires_at: Annotated[Time | None, Meta(description="Null if it does not expire.")]
    revoked_at: Annotated[Time | None, Meta(description="Null if it is not revoked.")]
    revoked_by: Annotated[
        KeyId | None,
        Meta(description="The id of the key that revoked it; null for an operator."),
    ]
    state: Annotated[
        str,
        one_of("active", "expired", "revoked"),
        Meta(description="Requests with a key that is not active are refused."),
    ]


class CreatedKey(Key, kw_only=True):
    """A new API key, with its secret."""

    key: Annotated[
        str, Meta(description="What a request sends as `Bearer`. It is shown this once.")
    ]
