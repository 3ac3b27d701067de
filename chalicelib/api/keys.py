"""`/api/images/keys`: API keys for those who read and generate."""

from time import time
from typing import Any

from chalice import Response

from chalicelib.api.identity import identity
from chalicelib.api.operation import Answer, Header, Operation, links
from chalicelib.api.paging import CURSOR, NEXT, limit_up_to, next_link, requested
from chalicelib.api.routes import Headers, Routes, url_of
from chalicelib.bootstrap import services
from chalicelib.errors import Conflict, InvalidRequest
from chalicelib.models.keys.api_key import ADMIN, ApiKey
from chalicelib.models.keys.listing import newest
from chalicelib.schemas.answers.keys import CreatedKey, Key
from chalicelib.schemas.keys import KeyChanges, KeyRequest
from chalicelib.schemas.times import timestamp

key_routes = Routes(__name__)

_KEYS = "/api/images/keys"
_ONE = f"{_KEYS}/{{key_id}}"

_DEFAULT_LIMIT, _LONGEST_LIMIT = 50, 100

_TAG = "API keys"
_LINKS = links("key_id", "/id", "getKey", "changeKey", "revokeKey")
_KEY = Answer(200, Key, "The key.")
_CREATED = Answer(
    201,
    CreatedKey,
    "The new key, with its secret.",
    (Header("Location", "Its URL."), Header("Cache-Control", "`no-store`.")),
    _LINKS,
)


@key_routes.get(
    _KEYS,
    Operation(
        "listKeys",
        _TAG,
        (Answer(200, list[Key], "A page of the keys.", (NEXT,)),),
        ADMIN,
        parameters=(limit_up_to(_LONGEST_LIMIT), CURSOR),
        errors=(InvalidRequest,),
    ),
)
def list_keys() -> Response:
    """List all keys.

    The newest is first. A page has 50 keys unless `limit` says otherwise. A new key may be missing
    for a moment.
    """
    request = key_routes.current_request
    asked = requested(request, longest=_LONGEST_LIMIT)
    limit = asked.limit or _DEFAULT_LIMIT
    keys, are_more = newest(limit, before=asked.after)
    link: Headers = {"Link": next_link(request, keys[-1].sort_key, ())} if are_more else {}
    return Response([key_resource(key) for key in keys], link)


@key_routes.post(
    _KEYS,
    Operation(
        "createKey",
        _TAG,
        (_CREATED,),
        ADMIN,
        body=KeyRequest,
        examples={
            "for a colleague": {"name": "ada-laptop", "owner": "ada"},
            "for a page that only shows images": {
                "name": "gallery",
                "owner": "shop-team",
                "scopes": ["read"],
                "expires_in_days": 90,
                "requests_per_minute": 600,
            },
        },
    ),
)
def create_key(body: KeyRequest) -> Response:
    """Create a key.

    Its secret is shown in this answer only. If the answer is lost, revoke the key and create
    another. Keys with the scope `admin` are made by an operator with `make key`.
    """
    request = key_routes.current_request
    key, token = services().keys.create(body, by=_caller())
    headers: Headers = {
        "Location": url_of(request, f"{_KEYS}/{key.id}"),
        "Cache-Control": "no-store",
    }
    return Response(CreatedKey(**_fields(key), key=token), headers, 201)


@key_routes.get(_ONE, Operation("getKey", _TAG, (_KEY,), ADMIN))
def get_key(key_id: str) -> Key:
    """Read a key."""
    return key_resource(ApiKey.find(key_id))


@key_routes.patch(
    _ONE,
    Operation(
        "changeKey",
        _TAG,
        (_KEY,),
        ADMIN,
        body=KeyChanges,
        errors=(Conflict,),
        examples={
            "more images": {"images_per_day": 5000},
            "valid for 30 more days": {"expires_in_days": 30},
            "valid until it is revoked": {"never_expires": True},
        },
    ),
)
def change_key(body: KeyChanges, key_id: str) -> Key:
    """Change the limits or the end of a key.

    A field that is left out stays as it is. A change holds from the next request of the key on.
    """
    return key_resource(services().keys.change(key_id, body, by=_caller()))


@key_routes.post(f"{_ONE}/revoke", Operation("revokeKey", _TAG, (_KEY,), ADMIN))
def revoke_key(key_id: str) -> Key:
    """Revoke a key.

    It is refused from the next request on, for ever. Revoking it again changes nothing.
    """
    return key_resource(services().keys.revoke(key_id, by=_caller()))


def key_resource(key: ApiKey) -> Key:
    """Return a key as callers see it."""
    return Key(**_fields(key))


def _fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "owner": key.owner,
        "scopes": key.granted,
        "requests_per_minute": int(key.requests_per_minute),
        "images_per_day": int(key.images_per_day),
        "megapixel_steps_per_day": int(key.megapixel_steps_per_day),
        "created_at": timestamp(key.created_at),
        "created_by": key.created_by,
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
        "revoked_by": key.revoked_by,
        "state": key.state(now=time()),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(seconds)


def _caller() -> str:
    return identity(key_routes.current_request).key_id
