"""API keys: which callers may do what, and how often."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition

from chalicelib.config import config
from chalicelib.errors import NotFound, TooManyRequests, Unauthenticated
from chalicelib.models.keys.indexes import ByAge
from chalicelib.models.table import Table, set_or_remove, unavailable

READ, GENERATE, ADMIN = "read", "generate", "admin"
SCOPES = (READ, GENERATE, ADMIN)

ACTIVE, EXPIRED, REVOKED = "active", "expired", "revoked"

# The ids of keys with the scope `admin` begin with this, and no others. IAM lets the API function
# write no such keys (infra/resources/roles.yaml).
ADMINS = "admin"

_WINDOW_SECONDS = 60
_RACES = 25

_ID = re.compile(r"[a-z0-9]{12}")
_TOKEN = re.compile(rf"dk_({_ID.pattern})_([A-Za-z0-9_-]{{43}})")


class ApiKey(Table):
    """A key, found by the public part of its token; of the secret part only a hash is stored.

    `window` is the minute of the clock in which it was last used; `requests` counts the requests
    in that minute. `created_by` and `revoked_by` are ids of keys, and absent where an operator did
    it.
    """

    class Meta:
        table_name = config.keys_table

    id = UnicodeAttribute(hash_key=True)
    secret_hash = UnicodeAttribute()
    name = UnicodeAttribute()
    owner = UnicodeAttribute()
    scopes: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute)
    requests_per_minute = NumberAttribute()
    images_per_day = NumberAttribute()
    megapixel_steps_per_day = NumberAttribute()
    created_at = NumberAttribute()
    created_by = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(null=True)
    revoked_at = NumberAttribute(null=True)
    revoked_by = UnicodeAttribute(null=True)
    window = NumberAttribute(default=0)
    requests = NumberAttribute(default=0)
    shard = UnicodeAttribute(null=True)
    sort_key = UnicodeAttribute(null=True)

    by_age = ByAge()

    @property
    def granted(self) -> list[str]:
        """The scopes that the key has: `admin` only if its id says so, whatever is stored."""
        return [each for each in self.scopes if each != ADMIN or is_admins(self.id)]

    def state(self, *, now: float) -> str:
        if self.revoked_at is not None:
            return REVOKED
        return ACTIVE if self.expires_at is None or self.expires_at > now else EXPIRED

    @classmethod
    def admit(cls, token: str, *, now: float) -> "ApiKey":
        """Count a request and return the key of its token.

        Raise Unauthenticated if the key is not known, expired or revoked, and TooManyRequests if
        its limit for this minute is reached; concurrent requests cannot exceed it. A request may
        be counted twice if DynamoDB's response is lost and the write is repeated.
        """
        key_id, secret_hash = parts(token)
        key, window = cls(key_id), int(now // _WINDOW_SECONDS)
        for _ in range(_RACES):
            good = cls._is_good(secret_hash, now) & (cls.window == window)
            allowed = good & (cls.requests < cls.requests_per_minute)
            if key.update_if(allowed, cls.requests.set(cls.requests + 1)):
                return key
            known = cls._known(key_id, secret_hash, now)
            if known.window >= window and known.requests >= known.requests_per_minute:
                raise known._exhausted(now)
            window = max(window, int(known.window))  # another function's clock may be ahead
            is_old = (cls.window == known.window) & (cls.window < window)
            key.update_if(is_old, cls.window.set(window), cls.requests.set(0))
        raise TooManyRequests("this API key has too many requests at once", retry_seconds=1)

    @classmethod
    def known(cls, token: str, *, now: float) -> "ApiKey":
        """Return the key of a token, and count nothing; raise Unauthenticated as `admit` does."""
        return cls._known(*parts(token), now)

    @classmethod
    def valid(cls, key_id: str, *, now: float) -> "ApiKey":
        """Return a key; raise Unauthenticated if there is none, or it is expired or revoked."""
        try:
            key = cls.get(key_id, consistent_read=True)
        except cls.DoesNotExist:
            raise Unauthenticated("this API key is not known") from None
        if (state := key.state(now=now)) == REVOKED:
            raise Unauthenticated("this API key was revoked")
        if state == EXPIRED:
            raise Unauthenticated("this API key has expired")
        return key

    @classmethod
    def find(cls, key_id: str) -> "ApiKey":
        """Return a key in any state, or raise NotFound."""
        check_id(key_id)
        try:
            return cls.get(key_id, consistent_read=True)
        except cls.DoesNotExist:
            raise _missing(f"API key {key_id!r} does not exist") from None

    def change(self, **to: Any) -> bool:
        """Set attributes, of which None removes one, and read the others.

        Return False, and set nothing, if the key does not exist or is revoked. Raise as `revoke`.
        """
        actions = [set_or_remove(getattr(ApiKey, name), value) for name, value in to.items()]
        with _known_failures():
            return self.update_if(ApiKey.id.exists() & ApiKey.revoked_at.does_not_exist(), *actions)

    def revoke(self, *, now: float, by: str | None = None) -> bool:
        """Refuse the key from now on; return False if it does not exist or was revoked before.

        Raise Overloaded if nothing is stored, and Unanswered if that is not known.
        """
        revoked_at, revoked_by = ApiKey.revoked_at, ApiKey.revoked_by
        same_by = revoked_by.does_not_exist() if by is None else revoked_by == by
        is_ours = (revoked_at == now) & same_by  # this same write, repeated
        unrevoked = ApiKey.id.exists() & (revoked_at.does_not_exist() | is_ours)
        with _known_failures():
            return self.update_if(unrevoked, revoked_at.set(now), set_or_remove(revoked_by, by))

    @classmethod
    def _known(cls, key_id: str, secret_hash: str, now: float) -> "ApiKey":
        key = cls.valid(key_id, now=now)
        if key.secret_hash != secret_hash:
            raise Unauthenticated("this API key is not known")
        return key

    @classmethod
    def _is_good(cls, secret_hash: str, now: float) -> Condition:
        unexpired = cls.expires_at.does_not_exist() | (cls.expires_at > now)
        known: Condition = cls.secret_hash == secret_hash
        good: Condition = known & cls.revoked_at.does_not_exist() & unexpired
        return good

    def _exhausted(self, now: float) -> TooManyRequests:
        return TooManyRequests(
            f"this API key may send {self.requests_per_minute:.0f} requests a minute",
            retry_seconds=int((self.window + 1) * _WINDOW_SECONDS - now) + 1,
        )


def is_admins(key_id: str) -> bool:
    """Return whether a key with this id may have the scope `admin`."""
    return key_id.startswith(ADMINS)


def check_id(key_id: str) -> None:
    """Raise NotFound for a text that cannot be the id of a key."""
    if not _ID.fullmatch(key_id):
        raise _missing("this is not the id of an API key")


@contextmanager
def _known_failures() -> Iterator[None]:
    """Raise Overloaded or Unanswered for a write that the caller may send again."""
    try:
        yield
    except UpdateError as error:
        if passing := unavailable(error):
            raise passing from error
        raise


def _missing(error: str) -> NotFound:
    return NotFound(
        error,
        title="API key not found",
        suggestion="List the keys; an id is the 12 characters between the two _ of a key",
    )


def token_of(key_id: str, secret: str) -> str:
    """Return the token that callers send, made of its two parts."""
    return f"dk_{key_id}_{secret}"


def parts(token: str) -> tuple[str, str]:
    """Return the id of a token's key and the hash of its secret, or raise Unauthenticated."""
    match = _TOKEN.fullmatch(token)
    if not match:
        raise Unauthenticated("this is not an API key")
    return match[1], hash_of(match[2])


def hash_of(secret: str) -> str:
    # A secret has 256 random bits: it cannot be guessed, so a slow hash is not needed.
    return sha256(secret.encode()).hexdigest()
