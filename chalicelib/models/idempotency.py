"""Idempotency-Keys: what a caller used each for, so that a repeated request has the same result."""

from hashlib import sha256
from typing import Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.errors import IdempotencyConflict
from chalicelib.models.table import Table


class IdempotencyKey(Table):
    """An owner's key, and the fingerprint of the request that used it, until `expires_at`.

    A base class: each kind of request has its own, in the table of what the request makes.
    """

    id = UnicodeAttribute(hash_key=True)
    fingerprint = UnicodeAttribute()
    expires_at = NumberAttribute()

    @classmethod
    def find(cls, owner: str, key: str) -> Self | None:
        """Return what an owner used the key for, or None; an expired one may still be there."""
        try:
            return cls.get(cls.id_of(owner, key), consistent_read=True)
        except cls.DoesNotExist:
            return None

    @classmethod
    def used_for(cls, owner: str, key: str, fingerprint: str, *, now: float) -> Self | None:
        """Return what an owner used the key for; None if it was not used, or has expired.

        Raise IdempotencyConflict when that request had another path or body.
        """
        known = cls.find(owner, key)
        if known is None or known.expires_at <= now:
            return None
        if known.fingerprint != fingerprint:
            raise IdempotencyConflict("this Idempotency-Key was used with another path or body")
        return known

    @classmethod
    def is_unused(cls, now: float) -> Condition:
        """Return the condition under which a key may be stored."""
        # DynamoDB deletes an expired item within days.
        unused: Condition = cls.id.does_not_exist() | (cls.expires_at <= now)
        return unused

    @staticmethod
    def id_of(owner: str, key: str) -> str:
        # Hashed, as a key is the caller's own text. An owner's name has no line break.
        text = f"{owner}\n{key}"
        return f"idempotency:{sha256(text.encode()).hexdigest()}"
