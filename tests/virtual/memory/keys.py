"""Key conditions: where in the order of a table or an index a query begins and ends."""

from dataclasses import dataclass
from typing import Any

from tests.virtual.memory.given import Given
from tests.virtual.memory.refusals import invalid
from tests.virtual.memory.schemas import Key, Position
from tests.virtual.memory.syntax import Node, Path, Tree, Value
from tests.virtual.memory.values import order_of


class End:
    """Comes after everything; with a prefix, after all that begins with it and before the rest."""

    def __init__(self, prefix: Any = None) -> None:
        self._prefix = prefix

    def __gt__(self, other: Any) -> bool:
        if self._prefix is None:
            return True
        return bool(other < self._prefix or other.startswith(self._prefix))

    def __lt__(self, other: Any) -> bool:
        return not self > other


@dataclass(frozen=True)
class Range:
    """Places from `first` to `last`; None has no bound."""

    first: Position | None = None
    last: Position | None = None
    has_first: bool = True
    has_last: bool = True

    def after(self, place: Position, *, forward: bool) -> "Range":
        """Return the rest of the range after a place in it, in the direction of the query."""
        is_before = self.first is not None and place < self.first
        if is_before or (self.last is not None and place > self.last):
            raise invalid("The provided starting key is outside query boundaries")
        if forward:
            return Range(place, self.last, has_first=False, has_last=self.has_last)
        return Range(self.first, place, has_first=self.has_first, has_last=False)


def range_of(tree: Tree, given: Given, key: Key, kinds: dict[str, str]) -> Range:
    """Return the range of a key condition."""
    tests = _tests(tree, given, key, kinds)
    partition = tests.pop(key.names[0], None)
    if partition is None or partition.operator != "=":
        raise invalid(f"Query condition missed key schema element: {key.names[0]}")
    place = key.partition(_bounds(partition, given)[0])
    for test in tests.values():
        return _sorted_range(place, test.operator, _bounds(test, given))
    return Range(place, (*place, End()))


def _tests(tree: Tree, given: Given, key: Key, kinds: dict[str, str]) -> dict[str, Node]:
    """Return the conditions of a key condition by attribute, each of which may have one."""
    tests: dict[str, Node] = {}
    for test in _conjuncts(tree):
        name = _attribute(test, given)
        if name not in key.names or name in tests:
            raise invalid(f"Query key condition not supported: {name}")
        if any(kinds[name] not in given.value(each.name) for each in _values(test)):
            raise invalid(f"Condition parameter type does not match schema type: {name}")
        tests[name] = test
    return tests


def _conjuncts(tree: Tree) -> list[Node]:
    if not isinstance(tree, Node):
        raise invalid("Invalid KeyConditionExpression")
    if tree.operator == "AND":
        return [each for operand in tree.operands for each in _conjuncts(operand)]
    return [tree]


def _attribute(test: Node, given: Given) -> str:
    first = test.operands[0]
    if not isinstance(first, Path) or len(first.parts) != 1:
        raise invalid("Invalid operand in KeyConditionExpression: it needs a key attribute first")
    return str(given.path(first)[0])


def _values(test: Node) -> list[Value]:
    values = [each for each in test.operands[1:] if isinstance(each, Value)]
    if len(values) != len(test.operands) - 1 or not values:
        raise invalid("Invalid operand in KeyConditionExpression: it needs values")
    return values


def _bounds(test: Node, given: Given) -> list[Any]:
    values = [given.value(each.name) for each in _values(test)]
    if any(each in ({"S": ""}, {"B": b""}) for each in values):
        raise invalid("A key attribute cannot contain an empty string value")
    return [order_of(each) for each in values]


def _sorted_range(place: Position, operator: str, bounds: list[Any]) -> Range:
    first, last = (*place, bounds[0]), (*place, bounds[-1], End())
    if operator in ("=", "BETWEEN"):
        return Range(first, last)
    if operator == "<":
        return Range(place, first, has_last=False)
    if operator == "<=":
        return Range(place, last)
    if operator == ">":
        return Range(last, (*place, End()))
    if operator == ">=":
        return Range(first, (*place, End()))
    if operator == "begins_with":
        return Range(first, (*place, End(bounds[0])))
    raise invalid(f"Invalid operator used in KeyConditionExpression: {operator}")
