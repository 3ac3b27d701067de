"""API keys: create, change and revoke those that read and generate."""

import logging
from collections.abc import Callable
from typing import Any

from chalicelib.config import Config
from chalicelib.errors import Conflict, Forbidden
from chalicelib.models.keys.api_key import GENERATE, READ, ApiKey, check_id, is_admins
from chalicelib.models.keys.creation import NewKey, end_of
from chalicelib.schemas.keys import KeyChanges, KeyRequest

log = logging.getLogger("darkroom.keys")

_LIMITS = ("requests_per_minute", "images_per_day", "megapixel_steps_per_day")

_INSTEAD = {
    "change": "Ask an operator to make another key with `make key`",
    "revoke": "Ask an operator to revoke it with `make revoke`",
}


class Keys:
    """Makes and changes keys; `by` is the id of the key that asks for it, and is logged."""

    def __init__(self, config: Config, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock

    def create(self, body: KeyRequest, *, by: str) -> tuple[ApiKey, str]:
        """Store a key; return it and its token, which cannot be read again.

        Raise Overloaded if nothing is stored, and Unanswered if that is not known.
        """
        key, token = self._wanted(body, by).create(now=self._clock())
        names = ("name", "owner", "scopes", *_LIMITS, "expires_at")
        _note("created", key, {name: getattr(key, name) for name in names}, by)
        return key, token

    def change(self, key_id: str, body: KeyChanges, *, by: str) -> ApiKey:
        """Change the limits and the end of a key; do nothing if the body asks for nothing.

        Raise NotFound, Forbidden for a key of an admin, and Conflict if the key is revoked. Raise
        Overloaded if nothing is stored, and Unanswered if that is not known.
        """
        _check_is_no_admins(key_id, "change", by)
        if not (to := self._changes(body)):
            return ApiKey.find(key_id)
        if not (key := ApiKey(key_id)).change(**to):
            raise _is_revoked(ApiKey.find(key_id))
        _note("changed", key, to, by)
        return key

    def revoke(self, key_id: str, *, by: str) -> ApiKey:
        """Refuse a key from its next request on; do nothing if it is revoked. Raise as `change`."""
        _check_is_no_admins(key_id, "revoke", by)
        if not (key := ApiKey(key_id)).revoke(now=self._clock(), by=by):
            return ApiKey.find(key_id)
        _note("revoked", key, {"revoked_at": key.revoked_at}, by)
        return key

    def _wanted(self, body: KeyRequest, by: str) -> NewKey:
        limits = {
            name: getattr(body, name) or getattr(self._config, f"key_{name}") for name in _LIMITS
        }
        days = body.expires_in_days or self._config.key_days
        return NewKey(
            name=body.name,
            owner=body.owner,
            scopes=tuple(dict.fromkeys(body.scopes or (READ, GENERATE))),
            days=None if body.never_expires else days,
            created_by=by,
            **limits,
        )

    def _changes(self, body: KeyChanges) -> dict[str, Any]:
        """Return the attributes that a body changes, None for one that it removes."""
        asked = {name: getattr(body, name) for name in _LIMITS}
        to: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        if body.never_expires or body.expires_in_days:
            to["expires_at"] = end_of(body.expires_in_days, now=self._clock())
        return to


def _check_is_no_admins(key_id: str, do: str, by: str) -> None:
    """Raise Forbidden for the key of an admin, and NotFound if there is none with its id."""
    check_id(key_id)
    if not is_admins(key_id):
        return
    if ApiKey.find(key_id).id == by:
        error = f"an API key with the scope 'admin' cannot {do} itself"
    else:
        error = f"an API key with the scope 'admin' cannot be {do}d over HTTP"
    raise Forbidden(error, suggestion=_INSTEAD[do])


def _is_revoked(key: ApiKey) -> Conflict:
    return Conflict(f"API key {key.id!r} is revoked", suggestion="Create another key")


def _note(how: str, key: ApiKey, to: dict[str, Any], by: str) -> None:
    log.info(
        "API key %s %s", key.id, how, extra={"changed_key": key.id, "changes": to, "changed_by": by}
    )
