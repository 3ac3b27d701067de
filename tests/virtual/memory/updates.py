"""Update expressions: what each action makes of an item."""

from collections.abc import Callable
from decimal import Inexact, Overflow, Subnormal
from itertools import combinations

from tests.virtual.memory.documents import found, with_value
from tests.virtual.memory.given import Given, Names
from tests.virtual.memory.refusals import Refused, invalid
from tests.virtual.memory.syntax import Node, Path, Tree, Value
from tests.virtual.memory.values import NUMBERS, SETS, Item, Typed, text_of

Change = Callable[[Item, Given, Node], Typed | None]


def targets(tree: Node, given: Given) -> list[Names]:
    """Return the paths that an update writes; refuse those that overlap."""
    found = [given.path(_target(action)) for action in tree.operands]
    for one, other in combinations(found, 2):
        shortest = min(len(one), len(other))
        if one[:shortest] == other[:shortest]:
            raise invalid("Invalid UpdateExpression: Two document paths overlap with each other")
    return found


def _target(action: Tree) -> Path:
    assert isinstance(action, Node)
    path = action.operands[0]
    assert isinstance(path, Path)
    return path


def check(tree: Node, given: Given) -> None:
    """Refuse values that an action does not take, whatever an item contains."""
    for action in tree.operands:
        assert isinstance(action, Node)
        kinds = given.kinds(action.operands)
        allowed = {"ADD": {"N", *SETS}, "DELETE": {*SETS}}.get(action.operator)
        if allowed and not (kinds and allowed >= {*kinds}):
            raise invalid(f"Incorrect operand type; operator: {action.operator}, {kinds}")
        if allowed and len(_target(action).parts) > 1:
            raise invalid(f"{action.operator} is only for top-level attributes")


def updated(item: Item, tree: Node, given: Given) -> Item:
    """Return an item after an update; every operand is read before anything is written."""
    new = item
    actions = [action for action in tree.operands if isinstance(action, Node)]
    values = [_CHANGES[action.operator](item, given, action) for action in actions]
    done = zip(actions, values, strict=True)
    # Later members of a list go first, so that the positions of the others stay.
    for action, value in sorted(done, key=lambda each: _position(each[0]), reverse=True):
        names = given.path(_target(action))
        if value is not None or found(new, names) is not None or len(names) > 1:
            new = with_value(new, names, value)
    return new


def _position(action: Node) -> int:
    last = _target(action).parts[-1]
    is_removal = action.operator == "REMOVE"
    return last if isinstance(last, int) and is_removal else 10**6


def _set(item: Item, given: Given, action: Node) -> Typed:
    return _value(item, given, action.operands[1])


def _remove(item: Item, given: Given, action: Node) -> None:
    return None


def _add(item: Item, given: Given, action: Node) -> Typed:
    before = found(item, given.path(_target(action)))
    value = _value(item, given, action.operands[1])
    [(kind, more)] = value.items()
    if before is None:
        return value
    if kind not in before:
        raise mistyped()
    return _sum("+", before, value) if kind == "N" else {kind: sorted({*before[kind], *more})}


def _delete(item: Item, given: Given, action: Node) -> Typed | None:
    before = found(item, given.path(_target(action)))
    [(kind, fewer)] = _value(item, given, action.operands[1]).items()
    if before is None:
        return None
    if kind not in before:
        raise mistyped()
    left = sorted({*before[kind]} - {*fewer})
    return {kind: left} if left else None


_CHANGES: dict[str, Change] = {"SET": _set, "REMOVE": _remove, "ADD": _add, "DELETE": _delete}


def _value(item: Item, given: Given, tree: Tree) -> Typed:
    if isinstance(tree, Value):
        return given.value(tree.name)
    if isinstance(tree, Path):
        value = found(item, given.path(tree))
        if value is None:
            raise invalid("The provided expression refers to an attribute that does not exist")
        return value
    if len(tree.operands) != 2:
        raise invalid(f"Incorrect number of operands for operator or function: {tree.operator}")
    return _result(item, given, tree)


def _result(item: Item, given: Given, tree: Node) -> Typed:
    first, second = tree.operands
    if tree.operator == "if_not_exists" and isinstance(first, Path):
        known = found(item, given.path(first))
        return _value(item, given, second) if known is None else known
    values = _value(item, given, first), _value(item, given, second)
    if tree.operator in ("+", "-"):
        return _sum(tree.operator, *values)
    if tree.operator != "list_append":
        raise invalid(f"Invalid UpdateExpression: Invalid function name: {tree.operator}")
    if any("L" not in each for each in values):
        raise mistyped()
    return {"L": [*values[0]["L"], *values[1]["L"]]}


def _sum(sign: str, left: Typed, right: Typed) -> Typed:
    if "N" not in left or "N" not in right:
        raise mistyped()
    one, other = (NUMBERS.create_decimal(each["N"]) for each in (left, right))
    calculate = NUMBERS.add if sign == "+" else NUMBERS.subtract
    try:
        total = calculate(one, other)
    except (Inexact, Overflow, Subnormal) as error:
        raise invalid("Number overflow, underflow or more than 38 digits") from error
    return {"N": text_of(total)}


def mistyped() -> Refused:
    """Return the error of an action on an attribute of a type that it does not take."""
    return invalid("An operand in the update expression has an incorrect data type")
