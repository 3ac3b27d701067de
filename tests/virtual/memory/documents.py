"""Reading, writing and removing what a path names in an item, without changing the item."""

from collections.abc import Iterable
from typing import Any

from tests.virtual.memory.given import Names
from tests.virtual.memory.refusals import invalid
from tests.virtual.memory.values import Item, Typed


def found(item: Item, names: Names) -> Typed | None:
    """Return the value at a path; None if there is none."""
    value = item.get(names[0])  # type: ignore[arg-type]
    for part in names[1:]:
        if value is None:
            return None
        value = _member(value, part)
    return value


def _member(value: Typed, part: str | int) -> Typed | None:
    if isinstance(part, str):
        named: Typed | None = value.get("M", {}).get(part)
        return named
    members = value.get("L", [])
    return members[part] if part < len(members) else None


def with_value(item: Item, names: Names, value: Typed | None) -> Item:
    """Return an item with a value at a path, or with none; its parent must exist."""
    new: Item = _with_member({"M": item}, names, value)["M"]
    return new


def _with_member(parent: Typed | None, names: Names, value: Typed | None) -> Typed:
    kind = "M" if isinstance(names[0], str) else "L"
    if parent is None or kind not in parent:
        raise invalid("The document path provided in the update expression is invalid for update")
    inner = value
    if names[1:]:
        inner = _with_member(_member(parent, names[0]), names[1:], value)
    change = _changed_map if kind == "M" else _changed_list
    return {kind: change(parent[kind], names[0], inner)}


def _changed_map(members: dict[str, Typed], name: Any, value: Typed | None) -> dict[str, Typed]:
    if value is None:
        return {each: member for each, member in members.items() if each != name}
    return {**members, name: value}


def _changed_list(members: list[Typed], position: Any, value: Typed | None) -> list[Typed]:
    """Replace or remove a member; one after the last is appended, as in DynamoDB."""
    after = [] if value is None else [value]
    return [*members[:position], *after, *members[position + 1 :]]


def projected(item: Item, wanted: Iterable[Names]) -> Item:
    """Return what paths name in an item; of lists only the members that they name."""
    tree: dict[Any, Any] = {}
    for names in wanted:
        branch = tree
        for part in names[:-1]:
            branch = branch.setdefault(part, {})
        branch[names[-1]] = None
    pruned: Item = _pruned({"M": item}, tree)["M"]
    return pruned


def _pruned(value: Typed, tree: dict[Any, Any] | None) -> Typed:
    if tree is None:
        return value
    [(kind, members)] = value.items()
    if kind == "M":
        kept = {name: members[name] for name in tree if name in members}
        pruned = {name: _pruned(each, tree[name]) for name, each in kept.items()}
        return {"M": {name: each for name, each in pruned.items() if each not in _NOTHING}}
    if kind == "L":
        chosen = [at for at in sorted(tree) if at < len(members)]
        return {"L": [_pruned(members[at], tree[at]) for at in chosen]}
    return {}


_NOTHING: tuple[Typed, ...] = ({}, {"M": {}}, {"L": []})
