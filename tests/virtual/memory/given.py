"""The expressions of a call, with the names and values that are given for their placeholders."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.virtual.memory.refusals import invalid
from tests.virtual.memory.syntax import Path, Tree, Value, placeholders
from tests.virtual.memory.values import Typed, kept_item

Names = tuple[str | int, ...]


class Given:
    """The placeholders of a call; each must be used, and each that is used must be given."""

    def __init__(self, parameters: Mapping[str, Any], *trees: Tree | None) -> None:
        self.names: Mapping[str, str] = parameters.get("ExpressionAttributeNames", {})
        self.values = kept_item(parameters.get("ExpressionAttributeValues", {}))
        used = set[str]().union(*(placeholders(tree) for tree in trees if tree))
        given = {*self.names, *self.values}
        if used == given:
            return
        if unknown := used - given:
            raise invalid(f"Invalid expression: a placeholder is not defined: {sorted(unknown)}")
        if unused := given - used:
            raise invalid(f"A placeholder is unused in expressions: {sorted(unused)}")

    def path(self, path: Path) -> Names:
        """Return the names and positions of a path."""
        return tuple(
            self.names.get(part, part) if isinstance(part, str) else part for part in path.parts
        )

    def value(self, name: str) -> Typed:
        return self.values[name]

    def kinds(self, operands: Iterable[Tree]) -> list[str]:
        """Return the types of the values among operands."""
        values = [self.values[each.name] for each in operands if isinstance(each, Value)]
        return [kind for value in values for kind in value]
