"""New API keys."""

import string
from secrets import choice, token_urlsafe

from msgspec import Struct

from chalicelib.days import DAY_SECONDS
from chalicelib.models.keys.api_key import ADMIN, ADMINS, ApiKey, hash_of, is_admins, token_of
from chalicelib.models.keys.indexes import ALL, sort_key_of

_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 12


class NewKey(Struct, frozen=True, kw_only=True):
    """What a key is made with. Without `days` it does not expire.

    `created_by` is the id of the key that asks for it, None for an operator.
    """

    name: str
    owner: str
    scopes: tuple[str, ...]
    days: int | None
    requests_per_minute: int
    images_per_day: int
    megapixel_steps_per_day: int
    created_by: str | None = None

    def create(self, *, now: float) -> tuple[ApiKey, str]:
        """Store the key in one write; return it and its token, which cannot be read again.

        Raise Overloaded if nothing is stored, and Unanswered if that is not known.
        """
        key_id, secret = _new_id(is_for_admin=ADMIN in self.scopes), token_urlsafe(32)
        key = ApiKey(
            key_id,
            secret_hash=hash_of(secret),
            name=self.name,
            owner=self.owner,
            scopes=list(self.scopes),
            requests_per_minute=self.requests_per_minute,
            images_per_day=self.images_per_day,
            megapixel_steps_per_day=self.megapixel_steps_per_day,
            created_at=now,
            created_by=self.created_by,
            expires_at=end_of(self.days, now=now),
            shard=ALL,
            sort_key=sort_key_of(key_id, now),
        )
        key.create()
        return key, token_of(key_id, secret)


def end_of(days: int | None, *, now: float) -> float | None:
    """Return when a key expires that is valid for so many days; None if it does not."""
    return None if days is None else now + days * DAY_SECONDS


def _new_id(*, is_for_admin: bool) -> str:
    if is_for_admin:
        return ADMINS + _random(_ID_LENGTH - len(ADMINS))
    while is_admins(key_id := _random(_ID_LENGTH)):
        pass
    return key_id


def _random(length: int) -> str:
    return "".join(choice(_ALPHABET) for _ in range(length))
