"""Conditions: a tree is checked against its values once, and is then a function of an item."""

import operator
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.virtual.memory.documents import found
from tests.virtual.memory.given import Given
from tests.virtual.memory.refusals import invalid
from tests.virtual.memory.syntax import Node, Path, Tree, Value
from tests.virtual.memory.values import SETS, Item, Typed, order_of

Read = Callable[[Item, Given], Typed | None]
Test = Callable[[Item, Given], bool]

_ORDERED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_KINDS_WITH_ORDER = {"S", "N", "B"}
_KINDS = {"S", "N", "B", "BOOL", "NULL", "M", "L", *SETS}


def check(tree: Tree, given: Given) -> None:
    """Refuse values that an operator does not take, whatever an item contains."""
    if not isinstance(tree, Node):
        return
    for each in tree.operands:
        check(each, given)
    kinds = given.kinds(tree.operands)
    allowed = _allowed(tree.operator)
    if any(kind not in allowed for kind in kinds):
        raise invalid(f"Incorrect operand type; operator or function: {tree.operator}, {kinds}")
    if tree.operator == "BETWEEN":
        _check_bounds(tree, given)


def _allowed(name: str) -> set[str]:
    if name in _ORDERED or name == "BETWEEN":
        return _KINDS_WITH_ORDER
    return {"begins_with": {"S", "B"}, "attribute_type": {"S"}}.get(name, _KINDS)


def _check_bounds(tree: Node, given: Given) -> None:
    low, high = (
        given.value(each.name) if isinstance(each, Value) else None for each in tree.operands[1:]
    )
    if low is None or high is None:
        return
    if low.keys() != high.keys() or order_of(low) > order_of(high):
        raise invalid("The BETWEEN operator requires an upper bound not below the lower bound")


@cache
def test_of(tree: Tree) -> Test:
    """Return the function that says whether a condition holds for an item."""
    if not isinstance(tree, Node) or tree.operator not in _TESTS:
        raise invalid(f"Invalid expression: Invalid function name or no condition: {tree}")
    make, count = _TESTS[tree.operator]
    if count and len(tree.operands) != count:
        raise invalid(f"Incorrect number of operands for operator or function: {tree.operator}")
    return make(tree)


def _read(tree: Tree) -> Read:
    if isinstance(tree, Value):
        name = tree.name
        return lambda item, given: given.values[name]
    if isinstance(tree, Path):
        return _reading(tree)
    if tree.operator != "size" or len(tree.operands) != 1:
        raise invalid(f"Invalid expression: The function is not allowed here: {tree.operator}")
    inner = _read(tree.operands[0])
    return lambda item, given: _length(inner(item, given))


def _reading(path: Path) -> Read:
    if len(path.parts) > 1:
        return lambda item, given: found(item, given.path(path))
    name = str(path.parts[0])
    return lambda item, given: item.get(given.names.get(name, name))


def _length(typed: Typed | None) -> Typed | None:
    if typed is None or typed.keys() & {"N", "BOOL", "NULL"}:
        return None
    return {"N": str(len(next(iter(typed.values()))))}


def _and(tree: Node) -> Test:
    left, right = map(test_of, tree.operands)
    return lambda item, given: left(item, given) and right(item, given)


def _or(tree: Node) -> Test:
    left, right = map(test_of, tree.operands)
    return lambda item, given: left(item, given) or right(item, given)


def _not(tree: Node) -> Test:
    inner = test_of(tree.operands[0])
    return lambda item, given: not inner(item, given)


def _equal(tree: Node) -> Test:
    left, right = map(_read, tree.operands)
    return lambda item, given: _are_equal(left(item, given), right(item, given))


def _unequal(tree: Node) -> Test:
    left, right = map(_read, tree.operands)
    return lambda item, given: not _are_equal(left(item, given), right(item, given))


def _are_equal(left: Typed | None, right: Typed | None) -> bool:
    return left is not None and left == right


def _compare(tree: Node) -> Test:
    left, right = map(_read, tree.operands)
    holds = _ORDERED[tree.operator]
    return lambda item, given: _are_ordered(holds, left(item, given), right(item, given))


def _are_ordered(
    holds: Callable[[Any, Any], bool], left: Typed | None, right: Typed | None
) -> bool:
    if left is None or right is None or left.keys() != right.keys():
        return False
    return bool(left.keys() & _KINDS_WITH_ORDER) and holds(order_of(left), order_of(right))


def _between(tree: Node) -> Test:
    value, low, high = map(_read, tree.operands)

    def holds(item: Item, given: Given) -> bool:
        it = value(item, given)
        return _are_ordered(operator.ge, it, low(item, given)) and _are_ordered(
            operator.le, it, high(item, given)
        )

    return holds


def _in(tree: Node) -> Test:
    value, *others = map(_read, tree.operands)

    def holds(item: Item, given: Given) -> bool:
        it = value(item, given)
        return any(_are_equal(it, each(item, given)) for each in others)

    return holds


def _exists(tree: Node) -> Test:
    read = _read(_path_in(tree))
    return lambda item, given: read(item, given) is not None


def _exists_not(tree: Node) -> Test:
    read = _read(_path_in(tree))
    return lambda item, given: read(item, given) is None


def _path_in(tree: Node) -> Path:
    first = tree.operands[0]
    if not isinstance(first, Path):
        raise invalid(f"Operator or function requires a document path: {tree.operator}")
    return first


def _begins_with(tree: Node) -> Test:
    left, right = map(_read, tree.operands)

    def holds(item: Item, given: Given) -> bool:
        whole, start = left(item, given), right(item, given)
        if whole is None or start is None or whole.keys() != start.keys():
            return False
        [(kind, value)] = whole.items()
        return kind in ("S", "B") and bool(value.startswith(start[kind]))

    return holds


def _contains(tree: Node) -> Test:
    left, right = map(_read, tree.operands)

    def holds(item: Item, given: Given) -> bool:
        whole, part = left(item, given), right(item, given)
        return whole is not None and part is not None and _is_in(part, whole)

    return holds


def _is_in(part: Typed, whole: Typed) -> bool:
    [(kind, value)] = whole.items()
    if kind == "L":
        return part in value
    wanted = SETS.get(kind, kind)
    return kind in ("S", "B", *SETS) and wanted in part and part[wanted] in value


def _has_type(tree: Node) -> Test:
    left, right = _read(_path_in(tree)), _read(tree.operands[1])

    def holds(item: Item, given: Given) -> bool:
        value, kind = left(item, given), right(item, given)
        return value is not None and kind is not None and kind.get("S") in value

    return holds


# What makes each test, and how many operands it takes; 0 if any number.
_TESTS: dict[str, tuple[Callable[[Node], Test], int]] = {
    "AND": (_and, 2),
    "OR": (_or, 2),
    "NOT": (_not, 1),
    "=": (_equal, 2),
    "<>": (_unequal, 2),
    **dict.fromkeys(_ORDERED, (_compare, 2)),
    "BETWEEN": (_between, 3),
    "IN": (_in, 0),
    "attribute_exists": (_exists, 1),
    "attribute_not_exists": (_exists_not, 1),
    "begins_with": (_begins_with, 2),
    "contains": (_contains, 2),
    "attribute_type": (_has_type, 2),
}
