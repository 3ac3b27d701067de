"""API keys: which callers may do what, and how often."""

import re
from hashlib import sha256
from typing import Any

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.config import config
from chalicelib.errors import TooManyRequests, Unauthenticated
from chalicelib.models.table import Table

READ, GENERATE, ADMIN = "read", "generate", "admin"
SCOPES = (READ, GENERATE, ADMIN)

_WINDOW_SECONDS = 60
_RACES = 25

_TOKEN = re.compile(r"dk_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")


class ApiKey(Table):
    """A key, found by the public part of its token; of the secret part only a hash is stored.

    `window` is the minute of the clock in which it was last used; `requests` counts the requests
    in that minute.
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
    expires_at = NumberAttribute(null=True)
    revoked_at = NumberAttribute(null=True)
    window = NumberAttribute(default=0)
    requests = NumberAttribute(default=0)

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
        if key.revoked_at is not None:
            raise Unauthenticated("this API key was revoked")
        if key.expires_at is not None and key.expires_at <= now:
            raise Unauthenticated("this API key has expired")
        return key

    def revoke(self, *, now: float) -> bool:
        """Refuse the key from now on; return False if it does not exist or was revoked before."""
        revoked_at = ApiKey.revoked_at
        unrevoked = revoked_at.does_not_exist() | (revoked_at == now)  # this same write, repeated
        return self.update_if(ApiKey.id.exists() & unrevoked, revoked_at.set(now))

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
