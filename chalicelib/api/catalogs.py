"""The five routes of each catalog (spec: Image Settings, Styles, Formats, Prompt Examples)."""

from collections.abc import Iterator
from typing import Any

from chalice import Response
from msgspec import NODEFAULT, structs

from chalicelib import bootstrap
from chalicelib.api.paging import requested, respond
from chalicelib.api.routes import Routes
from chalicelib.errors import InvalidRequest, NotFound
from chalicelib.models.catalogs.catalog import FORMATS, PROMPT_EXAMPLES, SETTINGS, STYLES
from chalicelib.models.catalogs.item import Catalog
from chalicelib.schemas.catalogs import Format, PromptExample, Setting, Style

Item = dict[str, Any]

_LONGEST_ID = 12


def catalog_routes(catalog: Catalog, schema: Any) -> Routes:
    """Return routes that list, create, read, replace and delete the items of a catalog."""
    routes = Routes(__name__, before=bootstrap.seed_catalogs)
    collection, item = f"/api/images/{catalog.name}", f"/api/images/{catalog.name}/{{item_id}}"
    fields = structs.fields(schema)

    def shown(item_id: int, stored: Item) -> Item:
        # An item that was stored before a field existed shows the field's default.
        values = {each.name: stored.get(each.name, _default(each)) for each in fields}
        return {"id": item_id, **values}

    @routes.get(collection)
    def list_items() -> Response:
        page = requested(routes.current_request)
        items = _items(catalog, page.after)
        shown_items = (shown(item_id, stored) for item_id, stored in items)
        return respond(routes.current_request, shown_items, page, lambda each: each["id"])

    @routes.post(collection, body=schema, status=201)
    def create_item(body: Any) -> Item:
        stored = structs.asdict(body)
        return shown(catalog.create(stored), stored)

    @routes.get(item)
    def get_item(item_id: str) -> Item:
        number = _number(catalog, item_id)
        return shown(number, catalog.get(number))

    @routes.put(item, body=schema)
    def update_item(body: Any, item_id: str) -> Item:
        number, stored = _number(catalog, item_id), structs.asdict(body)
        catalog.replace(number, stored)
        return shown(number, stored)

    @routes.delete(item)
    def delete_item(item_id: str) -> Item:
        catalog.delete(_number(catalog, item_id))
        return {"status": "success"}

    return routes


def _default(field: structs.FieldInfo) -> object:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return None if field.default is NODEFAULT else field.default


def _items(catalog: Catalog, after: str | None) -> Iterator[tuple[int, Item]]:
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


CATALOG_ROUTES = [
    catalog_routes(SETTINGS, Setting),
    catalog_routes(STYLES, Style),
    catalog_routes(FORMATS, Format),
    catalog_routes(PROMPT_EXAMPLES, PromptExample),
]
