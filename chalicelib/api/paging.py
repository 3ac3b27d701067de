"""`?limit=&cursor=` and `Link: …; rel="next"`: bodies stay the plain arrays of the spec."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from chalice import Response
from chalice.app import Request
from msgspec import Meta, Struct
from msgspec.json import encode

from chalicelib.api.operation import Header, Parameter
from chalicelib.api.routes import own_path, query, url_of
from chalicelib.errors import InvalidRequest

# A Lambda response may have 6 MB (AWS quotas); the body is a string in it, escaped once more.
RESPONSE_LIMIT_BYTES = 5_500_000
LONGEST = 1000


def limit_up_to(longest: int) -> Parameter:
    """Return the parameter `limit` of a list whose pages have so many items at most."""
    kind = Annotated[int, Meta(ge=1, le=longest)]
    return Parameter("limit", kind, "How many items a page has at most.")


LIMIT = limit_up_to(LONGEST)
CURSOR = Parameter(
    "cursor",
    # Its characters alone would promise that every text of them is a cursor.
    Annotated[str, Meta(extra_json_schema={"format": "cursor"})],
    'Where a page begins: use the URL in the `Link` header with `rel="next"` unchanged.',
)
NEXT = Header("Link", 'With `rel="next"`: the URL of the next page.', is_always_there=False)

T = TypeVar("T", bound=Struct)

_LIMIT = re.compile(r"[1-9][0-9]{0,3}")


class Page(Struct, frozen=True):
    """The page that a request asks for: at most `limit` items, those after the cursor."""

    limit: int | None
    after: str | None


def requested(request: Request, *, longest: int = LONGEST) -> Page:
    """Read the query; raise InvalidRequest for a bad limit or cursor."""
    asked = query(request)
    return Page(_limit(asked.get("limit"), longest), _after(asked.get("cursor")))


def respond(
    request: Request,
    items: Iterable[T],
    page: Page,
    cursor_of: Callable[[T], object],
    *,
    filters: Collection[str] = (),
) -> Response:
    """Return the items that were asked for, as many as fit, with a link to the rest if any.

    The link repeats the limit and the list's own `filters`, and no other query parameter.
    """
    fitting, rest_begins = fit(items, page.limit)
    if not rest_begins:
        return Response(fitting)
    link = next_link(request, str(cursor_of(fitting[-1])), filters)
    return Response(fitting, {"Link": link})


def next_link(request: Request, position: str, filters: Collection[str]) -> str:
    """Return the `Link` header to the items after a position."""
    known = {name: value for name, value in query(request).items() if name in ("limit", *filters)}
    following = urlencode({**known, "cursor": _encode(position)})
    return f'<{url_of(request, own_path(request))}?{following}>; rel="next"'


def fit(items: Iterable[T], limit: int | None) -> tuple[list[T], bool]:
    """Return as many items as are asked for and fit, and whether there are more."""
    fitting: list[T] = []
    size = 0
    for item in items:
        size += size_of(item)
        if len(fitting) == limit or (fitting and size > RESPONSE_LIMIT_BYTES):
            return fitting, True
        fitting.append(item)
    return fitting, False


def size_of(item: Struct) -> int:
    """Return the bytes that an item has at most in a response of Lambda."""
    return len(json.dumps(encode(item).decode()))


def _limit(text: str | None, longest: int) -> int | None:
    if text is None:
        return None
    if not (_LIMIT.fullmatch(text) and int(text) <= longest):
        raise InvalidRequest(f"limit must be a whole number from 1 to {longest}", field="limit")
    return int(text)


def _encode(position: str) -> str:
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        position = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        position = ""
    if not position.isalnum() or len(position) > 26:
        raise InvalidRequest(
            "cursor is not a cursor of this list",
            field="cursor",
            suggestion='Use the URL in the Link header with rel="next" unchanged',
        )
    return position
