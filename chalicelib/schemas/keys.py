"""Bodies of `/api/images/keys`."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from chalicelib.errors import InvalidRequest

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.@:/ -]{0,63}\Z"
NAME_RULE = "up to 64 letters, digits, spaces and _.@:/- with a letter or digit first"

KeyName = Annotated[str, Meta(pattern=NAME, description=f"a text of {NAME_RULE}")]
KeyScopes = Annotated[
    list[Literal["read", "generate", "admin"]],
    Meta(min_length=1, max_length=2, description="a list of read, generate or both"),
]
Days = Annotated[int, Meta(ge=1, le=3650, description="a whole number of days from 1 to 3650")]
NeverExpires = Annotated[bool, Meta(description="true or false")]
RequestsPerMinute = Annotated[
    int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")
]
ImagesPerDay = Annotated[
    int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")
]
MegapixelStepsPerDay = Annotated[
    int, Meta(ge=1, le=1_000_000_000, description="a whole number from 1 to 1000000000")
]


class KeyChanges(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `PATCH /api/images/keys/{key_id}`; a field that is left out stays as it is."""

    requests_per_minute: RequestsPerMinute | None = None
    images_per_day: ImagesPerDay | None = None
    megapixel_steps_per_day: MegapixelStepsPerDay | None = None
    expires_in_days: Days | None = None
    never_expires: NeverExpires = False

    json_schema: ClassVar[dict[str, Any]] = {
        "not": {
            "properties": {
                "never_expires": {"const": True},
                "expires_in_days": {"type": "integer"},
            },
            "required": ["never_expires", "expires_in_days"],
        }
    }

    def __post_init__(self) -> None:
        if self.never_expires and self.expires_in_days is not None:
            raise InvalidRequest(
                "expires_in_days and never_expires cannot be combined",
                field="never_expires",
                suggestion="Leave out one of them",
            )


class KeyRequest(KeyChanges, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/keys`; fields that are left out have the deployment's defaults."""

    name: KeyName
    owner: KeyName
    scopes: KeyScopes | None = None

    json_schema: ClassVar[dict[str, Any]] = {
        **KeyChanges.json_schema,
        "properties": {"scopes": {"items": {"enum": ["read", "generate"]}}},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if "admin" in (self.scopes or ()):
            raise InvalidRequest(
                "keys with the scope admin are not made over HTTP",
                field="scopes",
                suggestion="Leave it out, or ask an operator to make the key with `make key`",
            )
