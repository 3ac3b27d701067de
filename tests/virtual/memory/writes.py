"""Writes of one item: what a call puts, updates, deletes or checks."""

from collections.abc import Mapping
from typing import Any

from tests.virtual.memory import conditions, syntax, updates
from tests.virtual.memory.capacity import consumed, write_units
from tests.virtual.memory.documents import projected
from tests.virtual.memory.given import Given, Names
from tests.virtual.memory.refusals import invalid, unmet
from tests.virtual.memory.syntax import Node
from tests.virtual.memory.tables import Table
from tests.virtual.memory.values import Item, kept_item

Answer = dict[str, Any]
Parameters = Mapping[str, Any]

PUT, UPDATE, DELETE, CHECK = "Put", "Update", "Delete", "ConditionCheck"
_OLD_ONLY = ("NONE", "ALL_OLD")
_RETURNED = (*_OLD_ONLY, "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")


class Write:
    """A write, checked as far as that does not depend on what is stored."""

    def __init__(self, kind: str, table: Table, parameters: Parameters) -> None:
        self.kind, self.table, self._parameters = kind, table, parameters
        condition = parameters.get("ConditionExpression")
        self._condition = None if condition is None else syntax.condition(condition)
        update = parameters.get("UpdateExpression")
        self._update = None if update is None else syntax.update(update)
        self._given = Given(parameters, self._condition, self._update)
        if self._condition is not None:
            conditions.check(self._condition, self._given)
        self._item = kept_item(parameters["Item" if kind == PUT else "Key"])
        self.position = table.schema.key_of(self._item, exactly=kind != PUT)
        self._targets = self._checked_targets(self._update) if self._update else []
        self._check_returned()

    def _checked_targets(self, update: Node) -> list[Names]:
        updates.check(update, self._given)
        found = updates.targets(update, self._given)
        for names in found:
            if names[0] in self.table.schema.key.names:
                raise invalid(f"Cannot update attribute {names[0]}. It is part of the key")
        return found

    def _check_returned(self) -> None:
        self._returned = self._parameters.get("ReturnValues", "NONE")
        if self._returned not in (_RETURNED if self.kind == UPDATE else _OLD_ONLY):
            raise invalid(f"ReturnValues can only be ALL_OLD or NONE, not {self._returned}")

    def result(self, old: Item | None) -> Item | None:
        """Return the item after the write, None for none; refuse a write that is not allowed."""
        if self.kind == PUT:
            self.table.schema.check_item(self._item)
        self._check_condition(old)
        if self.kind == UPDATE:
            return self._updated(old)
        return {PUT: self._item, CHECK: old}.get(self.kind)

    def _check_condition(self, old: Item | None) -> None:
        if self._condition is None:
            return
        if not conditions.test_of(self._condition)(old or {}, self._given):
            is_shown = self._parameters.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            raise unmet(old if is_shown else None)

    def _updated(self, old: Item | None) -> Item:
        new = self._item if old is None else old
        if self._update is not None:
            new = updates.updated(new, self._update, self._given)
        self.table.schema.check_item(new)
        return new

    def returned(self, old: Item | None, new: Item | None) -> Item:
        """Return the attributes that the call asks for."""
        if self._returned == "NONE":
            return {}
        item = (old if self._returned.endswith("OLD") else new) or {}
        is_part = self._returned.startswith("UPDATED")
        return projected(item, self._targets) if is_part else item


def put(table: Table, parameters: Parameters) -> Answer:
    """Return the answer to PutItem."""
    return _write(PUT, table, parameters)


def update(table: Table, parameters: Parameters) -> Answer:
    """Return the answer to UpdateItem."""
    return _write(UPDATE, table, parameters)


def delete(table: Table, parameters: Parameters) -> Answer:
    """Return the answer to DeleteItem."""
    return _write(DELETE, table, parameters)


def _write(kind: str, table: Table, parameters: Parameters) -> Answer:
    wanted = Write(kind, table, parameters)
    old = table.get(wanted.position)
    new = wanted.result(old)
    table.put(wanted.position, new)
    answer: Answer = {}
    if attributes := wanted.returned(old, new):
        answer["Attributes"] = attributes
    if "ReturnConsumedCapacity" in parameters:
        for each in consumed(write_units(table.schema, old, new), parameters):
            answer["ConsumedCapacity"] = each
    return answer
