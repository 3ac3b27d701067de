"""Reads: of an item, of several items, and of pages of a table or an index in order."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.virtual.memory import conditions, syntax
from tests.virtual.memory.capacity import consumed, read_units
from tests.virtual.memory.content import Stored
from tests.virtual.memory.documents import projected
from tests.virtual.memory.given import Given
from tests.virtual.memory.keys import Range, range_of
from tests.virtual.memory.refusals import invalid
from tests.virtual.memory.schemas import Position
from tests.virtual.memory.tables import Table, Tables
from tests.virtual.memory.values import Item, kept_item

Answer = dict[str, Any]
Parameters = Mapping[str, Any]

_PAGE_BYTES, _BATCH_BYTES = 1024 * 1024, 16 * 1024 * 1024
_MOST_BATCHED = 100


class Shown:
    """What a read returns of an item."""

    def __init__(self, parameters: Parameters, *others: syntax.Tree | None) -> None:
        text = parameters.get("ProjectionExpression")
        tree = None if text is None else syntax.projection(text)
        self.given = Given(parameters, tree, *others)
        self.paths = [self.given.path(each) for each in syntax.paths(tree)] if tree else None

    def of(self, item: Item) -> Item:
        return item if self.paths is None else projected(item, self.paths)


def get(table: Table, parameters: Parameters) -> Answer:
    """Return the answer to GetItem."""
    shown, answer = Shown(parameters), Answer()
    key = kept_item(parameters["Key"])
    stored = table.content.items.get(table.schema.key_of(key, exactly=True))
    if stored is not None:
        answer["Item"] = shown.of(stored.item)
    units = read_units(stored.size if stored else 0, consistent=_is_consistent(parameters))
    return answer | _capacity(table, None, units, parameters)


def _is_consistent(parameters: Parameters) -> bool:
    return bool(parameters.get("ConsistentRead"))


def _capacity(table: Table, index: str | None, units: float, parameters: Parameters) -> Answer:
    spent = consumed({(table.schema.name, index): units}, parameters)
    return {"ConsumedCapacity": spent[0]} if spent else {}


def batch_get(tables: Tables, parameters: Parameters) -> Answer:
    """Return the answer to BatchGetItem; what is more than 16 MB is not processed."""
    asked = parameters["RequestItems"]
    if not 0 < sum(len(each["Keys"]) for each in asked.values()) <= _MOST_BATCHED:
        raise invalid(f"Too many items requested for the BatchGetItem call: {_MOST_BATCHED}")
    units: dict[tuple[str, str | None], float] = {}
    answer: Answer = {"Responses": {}, "UnprocessedKeys": {}}
    left = _BATCH_BYTES
    for name, wanted in asked.items():
        found, rest, spent, left = _batched(tables.table(name), wanted, left)
        answer["Responses"][name] = found
        units[name, None] = spent
        if rest:
            answer["UnprocessedKeys"][name] = {**wanted, "Keys": rest}
    if capacity := consumed(units, parameters):
        answer["ConsumedCapacity"] = capacity
    return answer


def _batched(
    table: Table, wanted: Parameters, left: int
) -> tuple[list[Item], list[Item], float, int]:
    """Return items of a table, the keys that were not processed, the units, and bytes left."""
    shown, found, spent = Shown(wanted), list[Item](), 0.0
    positions = [table.schema.key_of(kept_item(key), exactly=True) for key in wanted["Keys"]]
    if len(set(positions)) < len(positions):
        raise invalid("Provided list of item keys contains duplicates")
    for number, position in enumerate(positions):
        stored = table.content.items.get(position)
        size = stored.size if stored else 0
        if size > left:
            return found, wanted["Keys"][number:], spent, 0
        left, spent = left - size, spent + read_units(size, consistent=_is_consistent(wanted))
        if stored:
            found.append(shown.of(stored.item))
    return found, [], spent, left


class Search:
    """A query or a scan of a table or an index."""

    def __init__(self, table: Table, parameters: Parameters) -> None:
        self._table, self._parameters = table, parameters
        name = parameters.get("IndexName")
        self._index = table.schema.index(name) if name is not None else None
        self._key = self._index.key if self._index else table.schema.key
        filter_ = parameters.get("FilterExpression")
        self._filter = None if filter_ is None else syntax.condition(filter_)
        keys = parameters.get("KeyConditionExpression")
        self._condition = None if keys is None else syntax.condition(keys)
        self._shown = Shown(parameters, self._filter, self._condition)
        self._check()

    def _check(self) -> None:
        if self._index and _is_consistent(self._parameters):
            raise invalid("Consistent reads are not supported on global secondary indexes")
        if self._parameters.get("Limit", 1) < 1:
            raise invalid("Limit must be greater than or equal to 1")
        self._check_selection()
        if self._filter is not None:
            conditions.check(self._filter, self._shown.given)
            self._check_filter(self._filter)

    def _check_selection(self) -> None:
        select, paths = self._parameters.get("Select"), self._shown.paths
        if paths is not None and select not in (None, "SPECIFIC_ATTRIBUTES"):
            raise invalid(f"Cannot specify the ProjectionExpression when choosing to get {select}")
        kept = self._index.kept if self._index else None
        names = {each[0] for each in paths or ()}
        if kept is not None and (select == "ALL_ATTRIBUTES" or names - kept):
            raise invalid("One or more parameter values were invalid: the index does not have all")

    def _check_filter(self, tree: syntax.Tree) -> None:
        """Refuse a query's filter on the key, which is for the key condition."""
        names = {self._shown.given.path(each)[0] for each in syntax.paths(tree)}
        if self._condition is not None and names & {*self._key.names}:
            raise invalid("Filter Expression can only contain non-primary key attributes")

    def answer(self) -> Answer:
        """Return a page: as many items as `Limit` says, or 1 MB."""
        page, last, size = self._page()
        items = [each.item for each in page if self._is_wanted(each.item)]
        answer: Answer = {"Count": len(items), "ScannedCount": len(page)}
        if self._parameters.get("Select") != "COUNT":
            answer["Items"] = [self._shown.of(each) for each in items]
        if last:
            answer["LastEvaluatedKey"] = self._start_key(page[-1].item)
        name = self._index.name if self._index else None
        units = read_units(size, consistent=_is_consistent(self._parameters))
        return answer | _capacity(self._table, name, units, self._parameters)

    def _is_wanted(self, item: Item) -> bool:
        return self._filter is None or conditions.test_of(self._filter)(item, self._shown.given)

    def _page(self) -> tuple[list[Stored], bool, int]:
        """Return what is read, whether there may be more, and the bytes that are read."""
        page, size = list[Stored](), 0
        limit = self._parameters.get("Limit", 0)
        for stored in self._walk():
            if page and size + stored.size > _PAGE_BYTES:
                return page, True, size
            page.append(stored)
            size += stored.size
            if len(page) == limit:
                return page, True, size
        return page, False, size

    def _walk(self) -> Iterator[Stored]:
        order = self._table.order(self._index.name if self._index else None)
        forward = self._parameters.get("ScanIndexForward", True)
        places = self._range(forward=forward)
        inclusive = places.has_first, places.has_last
        for place in order.irange(places.first, places.last, inclusive, reverse=not forward):
            yield order[place]

    def _range(self, *, forward: bool) -> Range:
        places = Range()
        if self._condition is not None:
            kinds = self._table.schema.kinds
            places = range_of(self._condition, self._shown.given, self._key, kinds)
        start = self._parameters.get("ExclusiveStartKey")
        return places.after(self._start(start), forward=forward) if start else places

    def _start(self, key: Item) -> Position:
        names = {*self._key.names, *self._table.schema.key.names}
        item = kept_item(key)
        if {*item} != names:
            raise invalid("The provided starting key is invalid")
        own = self._table.schema.key.position(item)
        return self._key.position(item) + own if self._index else own

    def _start_key(self, item: Item) -> Item:
        return self._key.of(item) | self._table.schema.key.of(item)


def query(table: Table, parameters: Parameters) -> Answer:
    """Return the answer to Query."""
    if "KeyConditionExpression" not in parameters:
        raise invalid("Either the KeyConditions or KeyConditionExpression parameter is required")
    return Search(table, parameters).answer()


def scan(table: Table, parameters: Parameters) -> Answer:
    """Return the answer to Scan."""
    return Search(table, parameters).answer()
