"""One CloudFormation stack: what it is, and how it becomes another without losing anything."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

# What holds what cannot be had again, or not soon: a change must not put another in its place.
_KEPT = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::EC2::Instance")
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]

Parameters = dict[str, str]
Pause = Callable[[float], None]


class Refused(Exception):
    """The stack was left as it is; the text says why."""


class Stack:
    """A stack by its name, which need not exist yet."""

    def __init__(
        self, name: str, cloudformation: Any, *, look_seconds: float = 5, pause: Pause = time.sleep
    ) -> None:
        self.name = name
        self._cloudformation = cloudformation
        self._look_seconds = look_seconds
        self._pause = pause

    def describe(self) -> dict[str, Any] | None:
        """Return the stack as CloudFormation describes it, or None if there is none."""
        try:
            [stack] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return None
        # A change set that was never executed leaves one that is nothing.
        return None if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else dict(stack)

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs by their names."""
        outputs = (self.describe() or {}).get("Outputs", [])
        return {each["OutputKey"]: each["OutputValue"] for each in outputs}

    def parameters(self) -> Parameters:
        """Return the values that the stack has."""
        parameters = (self.describe() or {}).get("Parameters", [])
        return {each["ParameterKey"]: each["ParameterValue"] for each in parameters}

    def apply(
        self, template_url: str, declared: set[str], given: Parameters, *, replace: bool = False
    ) -> None:
        """Make the stack what a template says; parameters not given keep their values.

        Raise Refused, with nothing changed, if that would replace or remove what holds data and
        `replace` does not allow it, or if CloudFormation fails.
        """
        kept = self.parameters().keys() & declared - given.keys()
        parameters = [{"ParameterKey": name, "ParameterValue": given[name]} for name in given]
        parameters += [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept)]
        change_set = self._change_set(template_url, parameters)
        if change_set is None:
            return
        losses = [] if replace else sorted(self._losses(change_set))
        if losses:
            self._cloudformation.delete_change_set(ChangeSetName=change_set)
            raise Refused("this would replace or remove " + ", ".join(losses))
        began = self._newest_event()
        self._cloudformation.execute_change_set(ChangeSetName=change_set)
        self._await_end(began)

    def delete(self) -> None:
        """Delete the stack; tables and buckets stay, as the template says."""
        stack_id = (self.describe() or {}).get("StackId")
        if stack_id is None:
            raise Refused(f"there is no stack {self.name}")
        self._cloudformation.delete_stack(StackName=stack_id)
        while (status := self._status(stack_id)).endswith("IN_PROGRESS"):
            self._pause(self._look_seconds)
        if status != "DELETE_COMPLETE":
            raise Refused(f"the deletion ended in {status}")

    def _change_set(self, template_url: str, parameters: list[dict[str, Any]]) -> str | None:
        """Return a change set that is ready, or None if nothing would change."""
        kind = "UPDATE" if self.describe() else "CREATE"
        made = self._cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{uuid4().hex}",
            ChangeSetType=kind,
            TemplateURL=template_url,
            Parameters=parameters,
            Capabilities=_CAPABILITIES,
        )
        name: str = made["Id"]
        while (seen := self._cloudformation.describe_change_set(ChangeSetName=name))[
            "Status"
        ].endswith(("PENDING", "IN_PROGRESS")):
            self._pause(self._look_seconds)
        if seen["Status"] == "FAILED":
            self._cloudformation.delete_change_set(ChangeSetName=name)
            reason = seen.get("StatusReason", "no reason given")
            if any(each in reason for each in _UNCHANGED):
                return None
            raise Refused(reason)
        return name

    def _losses(self, change_set: str) -> Iterator[str]:
        pages = self._cloudformation.get_paginator("describe_change_set")
        for page in pages.paginate(ChangeSetName=change_set):
            for each in page["Changes"]:
                change = each["ResourceChange"]
                is_loss = change["Action"] == "Remove" or (
                    change["Action"] == "Modify" and change.get("Replacement", "False") != "False"
                )
                if is_loss and change["ResourceType"] in _KEPT:
                    yield change["LogicalResourceId"]

    def _await_end(self, began: str) -> None:
        while (status := self._status(self.name)).endswith("IN_PROGRESS"):
            self._pause(self._look_seconds)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise Refused(f"the deployment ended in {status}: {self._failures(began)}")

    def _status(self, name: str) -> str:
        [stack] = self._cloudformation.describe_stacks(StackName=name)["Stacks"]
        return str(stack["StackStatus"])

    def _events(self) -> Iterator[dict[str, Any]]:
        pages = self._cloudformation.get_paginator("describe_stack_events")
        for page in pages.paginate(StackName=self.name):
            yield from page["StackEvents"]

    def _newest_event(self) -> str:
        return str(next((each["EventId"] for each in self._events()), ""))

    def _failures(self, began: str) -> str:
        """Tell what failed since an event, the first thing first: the rest follows from it."""
        failures: list[str] = []
        for event in self._events():
            if event["EventId"] == began:
                break
            if "FAILED" in event["ResourceStatus"] and "cancelled" not in str(
                event.get("ResourceStatusReason")
            ):
                reason = event.get("ResourceStatusReason", "no reason given")
                failures.insert(0, f"{event['LogicalResourceId']}: {reason}")
        return "; ".join(failures) or "no reason given"
