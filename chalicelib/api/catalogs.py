"""The five routes of each catalog (spec: Image Settings, Styles, Formats, Prompt Examples)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from chalice import Response
from msgspec import NODEFAULT, Struct, structs

from chalicelib import bootstrap
from chalicelib.api.operation import Answer, Operation, links
from chalicelib.api.paging import CURSOR, LIMIT, NEXT, requested, respond
from chalicelib.api.routes import Routes
from chalicelib.errors import InvalidRequest, NotFound
from chalicelib.models.catalogs.catalog import FORMATS, PROMPT_EXAMPLES, SETTINGS, STYLES
from chalicelib.models.catalogs.item import Catalog
from chalicelib.models.keys.api_key import ADMIN
from chalicelib.schemas.answers.catalogs import (
    StoredFormat,
    StoredPromptExample,
    StoredSetting,
    StoredStyle,
)
from chalicelib.schemas.answers.fields import Success
from chalicelib.schemas.catalogs import Format, PromptExample, Setting, Style

Stored = dict[str, Any]

_LONGEST_ID = 12


class Kind(Struct, frozen=True):
    """The types of a catalog's items, and a body that works."""

    catalog: Catalog
    body: Any
    stored: Any
    example: dict[str, object]

    def shown(self, item_id: int, stored: Stored) -> Any:
        # An item that was stored before a field existed shows the field's default: each field that
        # is added needs one.
        fields = structs.fields(self.body)
        values = {each.name: stored.get(each.name, _default(each)) for each in fields}
        return self.stored(id=item_id, **values)


class Operations(NamedTuple):
    """The five operations of a catalog."""

    list: Operation
    create: Operation
    get: Operation
    replace: Operation
    delete: Operation

    @classmethod
    def of(cls, kind: Kind) -> "Operations":
        plural = kind.catalog.name.replace("_", " ")
        noun, tag = plural.removesuffix("s"), plural.capitalize()
        word = noun.title().replace(" ", "")
        follow = links(
            "item_id", "/id", *(f"{verb}{word}" for verb in ("get", "replace", "delete"))
        )
        page_of: Any = list[kind.stored]  # type: ignore[name-defined]
        page = Answer(200, page_of, f"A page of the {noun}s.", (NEXT,))
        item = Answer(200, kind.stored, f"The {noun}.")
        new = Answer(201, kind.stored, f"The new {noun}.", links=follow)
        gone = Answer(200, Success, f"The {noun} is deleted.")
        read: Any = {"parameters": (LIMIT, CURSOR), "errors": (InvalidRequest,)}
        write: Any = {"scope": ADMIN, "body": kind.body, "examples": {f"a {noun}": kind.example}}
        return cls(
            Operation(f"list{word}s", tag, (page,), summary=f"List {noun}s", **read),
            Operation(f"create{word}", tag, (new,), summary=f"Create a {noun}", **write),
            Operation(f"get{word}", tag, (item,), summary=f"Read a {noun}"),
            Operation(f"replace{word}", tag, (item,), summary=f"Replace a {noun}", **write),
            Operation(f"delete{word}", tag, (gone,), ADMIN, summary=f"Delete a {noun}"),
        )


def catalog_routes(kind: Kind) -> Routes:
    """Return routes that list, create, read, replace and delete the items of a catalog."""
    routes = Routes(__name__, before=bootstrap.seed_catalogs)
    catalog, shown, operations = kind.catalog, kind.shown, Operations.of(kind)
    collection, item = f"/api/images/{catalog.name}", f"/api/images/{catalog.name}/{{item_id}}"

    @routes.get(collection, operations.list)
    def list_items() -> Response:
        page = requested(routes.current_request)
        items = _items(catalog, page.after)
        shown_items = (shown(item_id, stored) for item_id, stored in items)
        return respond(routes.current_request, shown_items, page, lambda each: each.id)

    @routes.post(collection, operations.create)
    def create_item(body: Any) -> Any:
        stored = structs.asdict(body)
        return shown(catalog.create(stored), stored)

    @routes.get(item, operations.get)
    def get_item(item_id: str) -> Any:
        number = _number(catalog, item_id)
        return shown(number, catalog.get(number))

    @routes.put(item, operations.replace)
    def update_item(body: Any, item_id: str) -> Any:
        number, stored = _number(catalog, item_id), structs.asdict(body)
        catalog.replace(number, stored)
        return shown(number, stored)

    @routes.delete(item, operations.delete)
    def delete_item(item_id: str) -> Success:
        catalog.delete(_number(catalog, item_id))
        return Success()

    return routes


def _default(field: structs.FieldInfo) -> object:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


def _items(catalog: Catalog, after: str | None) -> Iterator[tuple[int, Stored]]:
    if after is not None and not (after.isdigit() and len(after) <= _LONGEST_ID):
        raise InvalidRequest("cursor is not a cursor of this list", field="cursor")
    return catalog.items(after=int(after or 0))


def _number(catalog: Catalog, item_id: str) -> int:
    """Return an id as a number; raise NotFound for a text that cannot be an id."""
    if item_id.isascii() and item_id.isdigit() and len(item_id) <= _LONGEST_ID:
        return int(item_id)
    raise NotFound(
        f"{catalog.noun.lower()} {item_id[:64]!r} does not exist",
        title=f"{catalog.noun} not found",
    )


KINDS = (
    Kind(
        SETTINGS,
        Setting,
        StoredSetting,
        {"name": "default_steps", "value": "25", "description": "Steps of an image"},
    ),
    Kind(
        STYLES,
        Style,
        StoredStyle,
        {"name": "Blueprint", "description": "", "prompt_template": "blueprint of {prompt}"},
    ),
    Kind(
        FORMATS,
        Format,
        StoredFormat,
        {"name": "Card", "description": "A postcard", "width": 768, "height": 512},
    ),
    Kind(
        PROMPT_EXAMPLES,
        PromptExample,
        StoredPromptExample,
        {"title": "Harbour", "prompt": "a quiet harbour at dawn", "category": "Places"},
    ),
)

CATALOG_ROUTES = [catalog_routes(kind) for kind in KINDS]
