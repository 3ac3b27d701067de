"""Random calls of the kinds that the application makes."""

from typing import Any

from hypothesis import strategies as st

Call = tuple[str, dict[str, Any]]
Strategy = st.SearchStrategy[Any]

IDS = ("a", "b", "c")
_QUEUES, _RANKS = ("q", "r"), ("1", "12", "2")
_TEXTS = st.sampled_from(["", "x", "xy", "1"])
_NUMBERS = st.sampled_from(["0", "1", "-2", "1.5", "120"])
_TAGS = st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=3, unique=True)


def _typed(kind: str, values: Strategy) -> Strategy:
    return values.map(lambda value: {kind: value})


_SCALARS = {
    "status": _typed("S", _TEXTS),
    "count": _typed("N", _NUMBERS),
    "tags": _typed("SS", _TAGS),
    "log": _typed("L", st.lists(_typed("S", _TEXTS), max_size=2)),
    "doc": _typed("M", st.dictionaries(st.sampled_from("mn"), _typed("N", _NUMBERS), max_size=2)),
}
_KEYS = {
    "queue": _typed("S", st.sampled_from(_QUEUES)),
    "rank": _typed("S", st.sampled_from(_RANKS)),
    "due_at": _typed("N", st.sampled_from(["1", "2", "10"])),
}
_ATTRIBUTES = _SCALARS | _KEYS
KEY = st.sampled_from(IDS).map(lambda id_: {"id": {"S": id_}})


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """Items of the table."""
    item: dict[str, Any] = draw(KEY)
    names = draw(st.lists(st.sampled_from([*_ATTRIBUTES]), unique=True, max_size=6))
    return item | {name: draw(_ATTRIBUTES[name]) for name in names}


class Placeholders:
    """Writes expressions with placeholders, as PynamoDB does.

    With `always`, updates use no attribute that an item may lack.
    """

    def __init__(self, draw: st.DrawFn, *, always: bool = False) -> None:
        self.draw, self._always = draw, always
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def name(self, name: str) -> str:
        return self._names.setdefault(name, f"#{len(self._names)}")

    def value(self, value: Any) -> str:
        self._values[f":{len(self._values)}"] = value
        return f":{len(self._values) - 1}"

    def some(self, name: str) -> str:
        """Return a value that the attribute may have."""
        return self.value(self.draw((_ATTRIBUTES | {"id": _typed("S", _TEXTS)})[name]))

    def before(self, name: str, default: Any) -> str:
        """Return the operand of an attribute as it is before an update."""
        known = self.name(name)
        return f"if_not_exists ({known}, {self.value(default)})" if self._always else known

    def given(self) -> dict[str, Any]:
        names = {short: name for name, short in self._names.items()}
        given = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": self._values}
        return {key: value for key, value in given.items() if value}


def condition(to: Placeholders, depth: int = 2) -> str:
    """Return a condition, as PynamoDB writes it."""
    if depth and to.draw(st.booleans()):
        kind = to.draw(st.sampled_from(["AND", "OR", "NOT"]))
        left = condition(to, depth - 1)
        return f"(NOT {left})" if kind == "NOT" else f"({left} {kind} {condition(to, depth - 1)})"
    return to.draw(st.sampled_from([_existence, _equality, _order, _part, _size]))(to)


def _existence(to: Placeholders) -> str:
    kind = to.draw(st.sampled_from(["attribute_exists", "attribute_not_exists"]))
    return f"{kind} ({to.name(to.draw(st.sampled_from(['id', *_ATTRIBUTES])))})"


def _equality(to: Placeholders) -> str:
    name = to.draw(st.sampled_from([*_ATTRIBUTES]))
    if to.draw(st.booleans()):
        return f"{to.name(name)} IN ({to.some(name)}, {to.some(name)})"
    return f"{to.name(name)} {to.draw(st.sampled_from(['=', '<>']))} {to.some(name)}"


def _order(to: Placeholders) -> str:
    name = to.draw(st.sampled_from(["count", "status", "rank", "due_at"]))
    compared = to.draw(st.sampled_from(["<", "<=", ">", ">="]))
    return f"{to.name(name)} {compared} {to.some(name)}"


def _part(to: Placeholders) -> str:
    if to.draw(st.booleans()):
        return f"begins_with ({to.name('status')}, {to.some('status')})"
    part = to.value({"S": to.draw(st.sampled_from(["x", "y"]))})
    return f"contains ({to.name(to.draw(st.sampled_from(['tags', 'status', 'log'])))}, {part})"


def _size(to: Placeholders) -> str:
    name = to.draw(st.sampled_from(["status", "tags", "log", "doc"]))
    known = to.name(name)
    return f"(attribute_exists ({known}) AND size ({known}) > {to.value({'N': '1'})})"


def update(to: Placeholders) -> str:
    """Return an update of distinct attributes."""
    names = to.draw(st.lists(st.sampled_from([*_ATTRIBUTES]), unique=True, min_size=1, max_size=4))
    clauses: dict[str, list[str]] = {}
    for name in names:
        clause, action = to.draw(st.sampled_from([_set, _remove, _change]))(to, name)
        clauses.setdefault(clause, []).append(action)
    return " ".join(f"{clause} {', '.join(actions)}" for clause, actions in clauses.items())


def _set(to: Placeholders, name: str) -> tuple[str, str]:
    known = to.name(name)
    if to.draw(st.booleans()):
        return "SET", f"{known} = if_not_exists ({known}, {to.some(name)})"
    return "SET", f"{known} = {to.some(name)}"


def _remove(to: Placeholders, name: str) -> tuple[str, str]:
    return "REMOVE", to.name(name)


def _change(to: Placeholders, name: str) -> tuple[str, str]:
    known = to.name(name)
    if name == "tags":
        return to.draw(st.sampled_from(["ADD", "DELETE"])), f"{known} {to.some(name)}"
    if name == "log":
        return "SET", f"{known} = list_append ({to.before(name, {'L': []})}, {to.some(name)})"
    if name != "count":
        return _set(to, name)
    if to.draw(st.booleans()):
        return "ADD", f"{known} {to.some(name)}"
    sign = to.draw(st.sampled_from("+-"))
    return "SET", f"{known} = {to.before(name, {'N': '0'})} {sign} {to.some(name)}"


@st.composite
def writes(draw: st.DrawFn, *, always: bool = False) -> tuple[str, dict[str, Any]]:
    """A write of one item: its kind in a transaction, and its parameters."""
    to, kind = Placeholders(draw, always=always), draw(st.sampled_from(["Put", "Update", "Delete"]))
    wanted: dict[str, Any] = {"TableName": "things"}
    wanted |= {"Item": draw(items())} if kind == "Put" else {"Key": draw(KEY)}
    if kind == "Update":
        wanted["UpdateExpression"] = update(to)
    if draw(st.booleans()):
        wanted["ConditionExpression"] = condition(to)
    return kind, wanted | to.given()


@st.composite
def single_writes(draw: st.DrawFn) -> Call:
    """PutItem, UpdateItem and DeleteItem.

    moto leaves out of UPDATED_NEW what has the same value as before; see `test_rules.py`.
    """
    kind, wanted = draw(writes())
    returned = ["NONE", "ALL_OLD", *(["ALL_NEW"] if kind == "Update" else [])]
    wanted["ReturnValues"] = draw(st.sampled_from(returned))
    return f"{kind}Item", wanted


@st.composite
def transactions(draw: st.DrawFn) -> Call:
    """TransactWriteItems, sometimes with two writes of one item.

    moto does not say for which write an attribute is missing; AWS does (API reference,
    TransactWriteItems, ValidationError), and `test_rules.py` has an example.
    """
    drawn = draw(st.lists(writes(always=True), min_size=1, max_size=3))
    items_: list[Any] = [{kind: wanted} for kind, wanted in drawn]
    if draw(st.booleans()):
        to = Placeholders(draw)
        check = {"TableName": "things", "Key": draw(KEY), "ConditionExpression": condition(to)}
        items_.append({"ConditionCheck": check | to.given()})
    return "TransactWriteItems", {"TransactItems": items_}


@st.composite
def queries(draw: st.DrawFn) -> Call:
    """Query of an index."""
    to = Placeholders(draw)
    name, hash_, range_ = draw(
        st.sampled_from([("by_queue", "queue", "rank"), ("by_due", "queue", "due_at")])
    )
    text = f"{to.name(hash_)} = {to.value({'S': draw(st.sampled_from(_QUEUES))})}"
    if draw(st.booleans()):
        compared = draw(st.sampled_from(["=", "<", "<=", ">", ">="]))
        text = f"({text} AND {to.name(range_)} {compared} {to.some(range_)})"
    wanted: dict[str, Any] = {"TableName": "things", "IndexName": name}
    wanted["KeyConditionExpression"] = text
    wanted["ScanIndexForward"] = draw(st.booleans())
    if draw(st.booleans()):
        wanted["Select"] = "COUNT"
    return "Query", wanted | to.given()


@st.composite
def filtered_scans(draw: st.DrawFn) -> Call:
    """Scan with a filter."""
    to = Placeholders(draw)
    return "Scan", {"TableName": "things", "FilterExpression": condition(to)} | to.given()


@st.composite
def reads(draw: st.DrawFn) -> Call:
    """GetItem and BatchGetItem."""
    if draw(st.booleans()):
        return "GetItem", {"TableName": "things", "Key": draw(KEY), "ConsistentRead": True}
    keys = draw(st.lists(KEY, min_size=1, max_size=3))
    return "BatchGetItem", {"RequestItems": {"things": {"Keys": keys}}}


CALLS = st.one_of(
    single_writes(), single_writes(), transactions(), queries(), filtered_scans(), reads()
)
