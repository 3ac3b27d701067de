"""The conditions of writes: which clauses each has, and writes without one of them."""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.virtual.memory import syntax
from tests.virtual.memory.syntax import Node, Path, Tree, Value

Parameters = dict[str, Any]

_ALWAYS = "attribute_exists (zz) OR attribute_not_exists (zz)"
_INFIX = {"AND", "OR", "=", "<>", "<", "<=", ">", ">="}


class Clause(NamedTuple):
    """A clause that has to hold, of a condition of the writes of a function of the models."""

    function: str
    table: str
    text: str


def site() -> str:
    """Return the public function of the models that makes the current call."""
    frame = sys._getframe(1)
    while frame:
        code = frame.f_code
        is_model = "/chalicelib/models/" in code.co_filename
        if is_model and not code.co_filename.endswith("/table.py") and code.co_name[0] not in "_<":
            return f"{frame.f_globals['__name__'].rpartition('.')[2]}.{code.co_qualname}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def writes(parameters: Parameters) -> list[Parameters]:
    """Return the writes of a call, which are several in a transaction."""
    items = parameters.get("TransactItems")
    return [each for item in items for each in item.values()] if items else [parameters]


def clauses(parameters: Parameters, function: str) -> Iterator[Clause]:
    """Yield the clauses of all conditions of a call."""
    for each in writes(parameters):
        if text := each.get("ConditionExpression"):
            names = each.get("ExpressionAttributeNames", {})
            for tree in _clauses(syntax.condition(text)):
                yield Clause(function, each["TableName"], _shown(tree, names))


def without(parameters: Parameters, clause: Clause) -> Parameters:
    """Return the parameters of a call in which a clause always holds."""
    if "TransactItems" in parameters:
        items = [
            {kind: _without(each, clause) for kind, each in item.items()}
            for item in parameters["TransactItems"]
        ]
        return {**parameters, "TransactItems": items}
    return _without(parameters, clause)


def _without(write: Parameters, clause: Clause) -> Parameters:
    if write.get("TableName") != clause.table or "ConditionExpression" not in write:
        return write
    names = write.get("ExpressionAttributeNames", {})
    tree = syntax.condition(write["ConditionExpression"])
    removed = [each for each in _clauses(tree) if _shown(each, names) == clause.text]
    return {**write, "ConditionExpression": _text(tree, removed)}


def _clauses(tree: Tree) -> Iterator[Tree]:
    """Yield what has to hold: the condition, or the operands of each AND in it."""
    yield from _operands(tree) if _is(tree, "AND") else [tree]
    for each in _nodes(tree):
        if each is not tree and _is(each, "AND"):
            yield from _operands(each)


def _operands(tree: Tree) -> Iterator[Tree]:
    """Yield the operands of an AND, and of those that are its operands."""
    for each in tree.operands if isinstance(tree, Node) else ():
        if _is(each, "AND"):
            yield from _operands(each)
        else:
            yield each


def _nodes(tree: Tree) -> Iterator[Tree]:
    """Yield a tree and its parts, without an AND that is an operand of an AND."""
    yield tree
    for each in tree.operands if isinstance(tree, Node) else ():
        if _is(tree, "AND") and _is(each, "AND"):
            yield from list(_nodes(each))[1:]
        else:
            yield from _nodes(each)


def _is(tree: Tree, operator: str) -> bool:
    return isinstance(tree, Node) and tree.operator == operator


def _shown(tree: Tree, names: dict[str, str]) -> str:
    """Return a tree as people read it, with a question mark for each value."""
    if isinstance(tree, Value):
        return "?"
    if isinstance(tree, Path):
        return ".".join(names.get(str(part), str(part)) for part in tree.parts)
    return _joined(tree, [_shown(each, names) for each in tree.operands])


def _text(tree: Tree, removed: list[Tree]) -> str:
    """Return a tree as DynamoDB reads it, in which some parts always hold."""
    if isinstance(tree, Value):
        return tree.name
    if isinstance(tree, Path):
        return ".".join(map(str, tree.parts))
    text = _joined(tree, [_text(each, removed) for each in tree.operands])
    return f"({text} OR {_ALWAYS})" if tree in removed else text


def _joined(tree: Node, operands: list[str]) -> str:
    if tree.operator in _INFIX:
        return f"({f' {tree.operator} '.join(operands)})"
    if tree.operator == "NOT":
        return f"(NOT {operands[0]})"
    if tree.operator == "IN":
        return f"{operands[0]} IN ({', '.join(operands[1:])})"
    if tree.operator == "BETWEEN":
        return f"{operands[0]} BETWEEN {operands[1]} AND {operands[2]}"
    return f"{tree.operator} ({', '.join(operands)})"
