"""The grammar of DynamoDB's expressions: an expression's text becomes a tree, once.

As the same text is always the same tree, trees are compared by identity, which is quick.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path as File
from typing import TypeVar

from tests.virtual.memory.refusals import invalid

T = TypeVar("T")

_TOKEN = re.compile(r"\s*(#\w+|:\w+|[A-Za-z_]\w*|\d+|<>|<=|>=|[=<>()\[\],.+-])")


def _reserved() -> frozenset[str]:
    """Return DynamoDB's reserved words from moto's list, without importing moto, which is large."""
    spec = find_spec("moto")
    words = (
        File(str(spec and spec.origin)).with_name("dynamodb") / "parsing" / "reserved_keywords.txt"
    )
    return frozenset(words.read_text().upper().split())


_RESERVED = _reserved()
_COMPARED = ("=", "<>", "<", "<=", ">", ">=")


@dataclass(frozen=True, eq=False)
class Path:
    """A document path: names or their placeholders, and positions in lists."""

    parts: tuple[str | int, ...]


@dataclass(frozen=True, eq=False)
class Value:
    """A placeholder of a value."""

    name: str


@dataclass(frozen=True, eq=False)
class Node:
    """An operator or a function with its operands."""

    operator: str
    operands: "tuple[Tree, ...]"


Tree = Path | Value | Node


@cache
def placeholders(tree: Tree) -> frozenset[str]:
    """Return the placeholders of names and values in a tree."""
    if isinstance(tree, Value):
        return frozenset([tree.name])
    if isinstance(tree, Path):
        return frozenset(part for part in tree.parts if isinstance(part, str) and part[0] == "#")
    return frozenset().union(*map(placeholders, tree.operands))


def paths(tree: Tree) -> Iterator[Path]:
    """Yield the paths in a tree."""
    if isinstance(tree, Path):
        yield tree
    elif isinstance(tree, Node):
        for each in tree.operands:
            yield from paths(each)


@cache
def condition(text: str) -> Tree:
    """Return the tree of a condition, a filter or a key condition."""
    return _whole(text, _any)


@cache
def projection(text: str) -> Node:
    """Return the tree of a projection; its operands are paths."""
    return Node("projection", tuple(_whole(text, lambda tokens: _listed(tokens, _attribute))))


@cache
def update(text: str) -> Node:
    """Return the tree of an update; its operands are the actions."""
    return Node("update", tuple(_whole(text, _clauses)))


class _Tokens:
    """The tokens of an expression that are left."""

    def __init__(self, text: str) -> None:
        self.text, self._tokens = text, _split(text)

    @property
    def next(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    @property
    def word(self) -> str:
        return self.next.upper()

    def take(self) -> str:
        if not self._tokens:
            raise invalid(f"Invalid expression: it ends too early: {self.text}")
        return self._tokens.pop()

    def expect(self, wanted: str) -> None:
        if self.word != wanted:
            raise invalid(f"Invalid expression: {wanted} is missing: {self.text}")
        self.take()

    def skip(self, wanted: str) -> bool:
        """Take a token if it is the next one; return whether it was."""
        if self.word != wanted:
            return False
        self.take()
        return True


def _split(text: str) -> list[str]:
    """Return the tokens of an expression, last one first."""
    tokens, at, text = [], 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise invalid(f"Invalid expression: Syntax error at {text[at:]!r}")
        tokens.append(found[1])
        at = found.end()
    return tokens[::-1]


def _whole(text: str, parse: Callable[[_Tokens], T]) -> T:
    tokens = _Tokens(text)
    tree = parse(tokens)
    if tokens.next:
        raise invalid(f"Invalid expression: Syntax error at {tokens.next!r}: {text}")
    return tree


def _listed(tokens: _Tokens, parse: Callable[[_Tokens], T]) -> list[T]:
    found = [parse(tokens)]
    while tokens.skip(","):
        found.append(parse(tokens))
    return found


def _any(tokens: _Tokens) -> Tree:
    tree = _all(tokens)
    while tokens.skip("OR"):
        tree = Node("OR", (tree, _all(tokens)))
    return tree


def _all(tokens: _Tokens) -> Tree:
    tree = _not(tokens)
    while tokens.skip("AND"):
        tree = Node("AND", (tree, _not(tokens)))
    return tree


def _not(tokens: _Tokens) -> Tree:
    if tokens.skip("NOT"):
        return Node("NOT", (_not(tokens),))
    if tokens.skip("("):
        tree = _any(tokens)
        tokens.expect(")")
        return tree
    return _comparison(tokens)


def _comparison(tokens: _Tokens) -> Tree:
    left = _operand(tokens)
    if tokens.next in _COMPARED:
        return Node(tokens.take(), (left, _operand(tokens)))
    if tokens.skip("BETWEEN"):
        low = _operand(tokens)
        tokens.expect("AND")
        return Node("BETWEEN", (left, low, _operand(tokens)))
    if tokens.skip("IN"):
        return Node("IN", (left, *_parenthesized(tokens)))
    return left


def _parenthesized(tokens: _Tokens) -> tuple[Tree, ...]:
    tokens.expect("(")
    found = tuple(_listed(tokens, _operand))
    tokens.expect(")")
    return found


def _operand(tokens: _Tokens) -> Tree:
    """Parse a path, a value, or a function with its operands."""
    if tokens.next.startswith(":"):
        return Value(tokens.take())
    path = _path(tokens)
    if tokens.next == "(":
        return Node(str(path.parts[0]), _parenthesized(tokens))
    return _unreserved(path)


def _attribute(tokens: _Tokens) -> Path:
    return _unreserved(_path(tokens))


def _unreserved(path: Path) -> Path:
    """Return a path, none of whose names is a reserved word, as only placeholders may be."""
    for part in path.parts:
        if isinstance(part, str) and part.upper() in _RESERVED:
            raise invalid(f"Invalid expression: Attribute name is a reserved keyword: {part}")
    return path


def _path(tokens: _Tokens) -> Path:
    parts: list[str | int] = [_name(tokens)]
    while tokens.next in (".", "["):
        if tokens.take() == ".":
            parts.append(_name(tokens))
        else:
            parts.append(int(tokens.take()))
            tokens.expect("]")
    return Path(tuple(parts))


def _name(tokens: _Tokens) -> str:
    name = tokens.take()
    if not (name[0] in "#_" or name[0].isalpha()):
        raise invalid(f"Invalid expression: Syntax error at {name!r}: {tokens.text}")
    return name


def _clauses(tokens: _Tokens) -> list[Node]:
    """Parse the clauses of an update, each at most once."""
    actions, used = list[Node](), set[str]()
    while tokens.next:
        clause = tokens.take().upper()
        if clause not in _ACTIONS or clause in used:
            raise invalid(f"Invalid UpdateExpression: Syntax error at {clause}: {tokens.text}")
        used.add(clause)
        actions += _listed(tokens, _ACTIONS[clause])
    if not actions:
        raise invalid("Invalid UpdateExpression: The expression can not be empty;")
    return actions


def _set(tokens: _Tokens) -> Node:
    path = _attribute(tokens)
    tokens.expect("=")
    left = _operand(tokens)
    if tokens.next in ("+", "-"):
        left = Node(tokens.take(), (left, _operand(tokens)))
    return Node("SET", (path, left))


def _remove(tokens: _Tokens) -> Node:
    return Node("REMOVE", (_attribute(tokens),))


def _add(tokens: _Tokens) -> Node:
    return Node("ADD", (_attribute(tokens), _operand(tokens)))


def _delete(tokens: _Tokens) -> Node:
    return Node("DELETE", (_attribute(tokens), _operand(tokens)))


_ACTIONS = {"SET": _set, "REMOVE": _remove, "ADD": _add, "DELETE": _delete}
