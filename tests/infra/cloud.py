"""A fake of the parts of CloudFormation that a deployment calls."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

_PLANNED = (None, "REVIEW_IN_PROGRESS")
# AWS updates a stack in none of these states.
_BLOCKED = (
    "CREATE_FAILED",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "DELETE_FAILED",
    "UPDATE_ROLLBACK_FAILED",
)


class CloudFormation:
    """One stack, which goes through the given states, and refuses what AWS refuses.

    An operation, and each look while one is under way, goes to the next state; GONE is no stack.
    `failing` has the resources that fail, of each of the operations that end in a failed state.
    """

    def __init__(self, status: str | None = None, **given: Any) -> None:
        self.status = status
        self.changes: list[dict[str, Any]] = given.get("changes", [])
        self.reason: str | None = given.get("reason")
        self.states: list[str] = given.get("states", ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
        self.events: list[dict[str, Any]] = given.get("events", [])
        self.failing: list[list[dict[str, str]]] = given.get("failing", [])
        self.protected: bool = given.get("protected", False)
        self.calls: list[str] = []
        self.kind = ""
        self.failed: list[dict[str, str]] = []
        self._note_failures(status)

    def describe_stacks(self, **_: str) -> Any:
        if self.status is None:
            raise _refusal("Stack with id s does not exist", "DescribeStacks")
        status = self.status
        if status.endswith("IN_PROGRESS") and self.states:
            self._go_on()
        about = {"StackId": "arn:s", "EnableTerminationProtection": self.protected}
        return {"Stacks": [{"StackStatus": status, **about}]}

    def _go_on(self) -> None:
        state = self.states.pop(0)
        self.status = None if state == "GONE" else state
        self._note_failures(state)

    def _note_failures(self, state: str | None) -> None:
        if state and state.endswith("_FAILED"):
            self.failed = self.failing.pop(0) if self.failing else []

    def create_change_set(self, **asked: Any) -> Any:
        self.kind = asked["ChangeSetType"]
        if self.kind == "UPDATE" and self.status in _BLOCKED:
            said = f"Stack:arn:s is in {self.status} state and can not be updated."
            raise _refusal(said, "CreateChangeSet")
        if self.kind == "CREATE" and self.status not in _PLANNED:
            raise _refusal("Stack [s] already exists", "CreateChangeSet")
        return {"Id": "change-set"}

    def describe_change_set(self, **asked: str) -> Any:
        if self.reason:
            return {"Status": "FAILED", "StatusReason": self.reason}
        if "NextToken" in asked:
            return {"Status": "CREATE_COMPLETE", "Changes": self.changes[1:]}
        more = {"NextToken": "more"} if len(self.changes) > 1 else {}
        return {"Status": "CREATE_COMPLETE", "Changes": self.changes[:1], **more}

    def delete_change_set(self, **_: str) -> None:
        self.calls.append("forget")

    def execute_change_set(self, **asked: Any) -> None:
        assert asked["RetainExceptOnCreate"]
        self.calls.append("execute")
        self._go_on()

    def update_termination_protection(self, **asked: Any) -> None:
        self.protected = asked["EnableTerminationProtection"]
        self.calls.append("protect" if self.protected else "unprotect")

    def delete_stack(self, **asked: Any) -> None:
        retained = asked.get("RetainResources", [])
        failed = {each["LogicalResourceId"] for each in self.failed}
        if self.protected:
            raise _refusal("TerminationProtection is enabled", "DeleteStack")
        if retained and (self.status != "DELETE_FAILED" or not {*retained} <= failed):
            raise _refusal("Specified resources to retain must be in a valid state", "DeleteStack")
        self.calls.append(" ".join(["delete", *(f"-{each}" for each in retained)]))
        self._go_on()

    def continue_update_rollback(self, **asked: Any) -> None:
        skipped = asked.get("ResourcesToSkip", [])
        failed = {each["LogicalResourceId"] for each in self.failed}
        if self.status != "UPDATE_ROLLBACK_FAILED" or not {*skipped} <= failed:
            raise _refusal("Stack cannot be rolled back like that", "ContinueUpdateRollback")
        self.calls.append(" ".join(["continue", *(f"-{each}" for each in skipped)]))
        self._go_on()

    def get_paginator(self, operation: str) -> "CloudFormation":
        assert operation in ("describe_stack_events", "list_stack_resources")
        self.operation = operation
        return self

    def paginate(self, **asked: str) -> Iterator[Any]:
        """Yield pages of one event each; a deleted stack is known by its id only."""
        if self.status is None and asked["StackName"] != "arn:s":
            raise _refusal("Stack with id s does not exist", self.operation)
        if self.operation == "list_stack_resources":
            yield {"StackResourceSummaries": self.failed}
        else:
            yield from ({"StackEvents": [each]} for each in [*self.failed, *self.events])


def _refusal(message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, operation)


def change(name: str, kind: str, action: str = "Modify", **more: Any) -> dict[str, Any]:
    """Return a change of a change set; `by` names the properties."""
    details = [{"Target": {"Attribute": "Properties", "Name": each}} for each in more.pop("by", [])]
    about = {"LogicalResourceId": name, "ResourceType": kind, "Action": action, "Details": details}
    return {"Type": "Resource", "ResourceChange": {**about, **more}}


def event(name: str, kind: str, status: str, reason: str = "") -> dict[str, str]:
    """Return an event of a stack."""
    fields = {"LogicalResourceId": name, "ResourceType": kind, "ResourceStatus": status}
    known = {**fields, "PhysicalResourceId": f"id-of-{name}"}
    return {**known, "ResourceStatusReason": reason} if reason else known
