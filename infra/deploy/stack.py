"""A CloudFormation stack, and updates that replace or remove no precious resource unasked."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import takewhile
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.losses import losses, refusal

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_NOTHING = ("No updates are to be performed", "didn't contain changes")


class DeploymentFailed(Exception):
    """The deployment was refused or failed; the message says why."""


class Stack:
    """A stack by its name; `pause` waits between two polls of its status."""

    def __init__(
        self, cloudformation: Any, name: str, pause: Callable[[], None] = lambda: time.sleep(5)
    ) -> None:
        self._cloudformation = cloudformation
        self.name = name
        self._pause = pause

    @property
    def status(self) -> str | None:
        """CloudFormation's status of the stack; None if there is no stack."""
        return str(found["StackStatus"]) if (found := self._described()) else None

    @property
    def exists(self) -> bool:
        """Whether the stack can be updated."""
        return self.status not in (None, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE")

    def outputs(self) -> dict[str, str]:
        found = self._described() or {}
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}

    def chosen(self) -> dict[str, str]:
        """Return the parameters whose values are not the defaults of the deployed template."""
        if not self.exists:
            return {}
        summary = self._cloudformation.get_template_summary(StackName=self.name)
        defaults = {
            each["ParameterKey"]: each.get("DefaultValue") for each in summary["Parameters"]
        }
        values = {
            each["ParameterKey"]: each["ParameterValue"]
            for each in (self._described() or {}).get("Parameters", [])
        }
        return {name: value for name, value in values.items() if value != defaults.get(name)}

    def apply(
        self, template_url: str, parameters: Mapping[str, str], *, accept: Collection[str] = ()
    ) -> bool:
        """Create or update the stack from a template; return whether anything changed.

        A parameter that is not given has the template's default. Raise DeploymentFailed, and change
        nothing, if a precious resource that `accept` does not name would be replaced or removed.
        """
        self._clear()
        change_set = self._plan(template_url, parameters)
        if change_set is None:
            return False
        if lost := [loss for loss in losses(self._changes(change_set)) if loss.name not in accept]:
            self._forget(change_set)
            raise DeploymentFailed(refusal(lost))
        self._cloudformation.execute_change_set(ChangeSetName=change_set, RetainExceptOnCreate=True)
        self._settle(("CREATE_COMPLETE", "UPDATE_COMPLETE"))
        return True

    def delete(self) -> None:
        """Delete the stack despite its termination protection; retained resources stay."""
        self.protect(protected=False)
        self._cloudformation.delete_stack(StackName=self.name)
        self._settle((None,))

    def protect(self, *, protected: bool = True) -> None:
        """Turn termination protection on or off."""
        self._cloudformation.update_termination_protection(
            StackName=self.name, EnableTerminationProtection=protected
        )

    def resources(self) -> Iterator[tuple[str, str, str]]:
        """Yield name, type and id of each resource."""
        pages = self._cloudformation.get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=self.name):
            for each in page["StackResourceSummaries"]:
                yield (
                    each["LogicalResourceId"],
                    each["ResourceType"],
                    each.get("PhysicalResourceId", ""),
                )

    def _described(self) -> dict[str, Any] | None:
        try:
            [stack] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return None
        return dict(stack)

    def _clear(self) -> None:
        """Delete a stack whose first deployment failed, as it cannot be updated."""
        status = self.status or ""
        if status == "ROLLBACK_COMPLETE":
            self.delete()
        elif status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise DeploymentFailed(
                f"Another operation on {self.name} is under way ({status}): wait until it ends, and"
                " deploy again"
            )

    def _plan(self, template_url: str, parameters: Mapping[str, str]) -> str | None:
        created = self._cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{time.time_ns()}",
            ChangeSetType="UPDATE" if self.exists else "CREATE",
            TemplateURL=template_url,
            Capabilities=_CAPABILITIES,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
        )
        change_set = str(created["Id"])
        while (plan := self._describe(change_set))["Status"].endswith(("PENDING", "IN_PROGRESS")):
            self._pause()
        if plan["Status"] != "FAILED":
            return change_set
        self._forget(change_set)
        reason = plan.get("StatusReason", "no reason given")
        if any(nothing in reason for nothing in _NOTHING):
            return None
        raise DeploymentFailed(f"CloudFormation refuses the template: {reason}")

    def _describe(self, change_set: str, **options: str) -> dict[str, Any]:
        return dict(self._cloudformation.describe_change_set(ChangeSetName=change_set, **options))

    def _changes(self, change_set: str) -> Iterator[dict[str, Any]]:
        plan = self._describe(change_set)
        yield from plan["Changes"]
        while token := plan.get("NextToken"):
            plan = self._describe(change_set, NextToken=token)
            yield from plan["Changes"]

    def _forget(self, change_set: str) -> None:
        self._cloudformation.delete_change_set(ChangeSetName=change_set)

    def _settle(self, wanted: Collection[str | None]) -> None:
        while (status := self.status) and status.endswith("IN_PROGRESS"):
            self._pause()
        if status not in wanted:
            reasons = "\n".join(self._failures()) or "  no reason given"
            raise DeploymentFailed(f"{self.name} ended in {status}:\n{reasons}")

    def _failures(self) -> list[str]:
        """Describe the failures of the last operation, the first one first."""
        pages = self._cloudformation.get_paginator("describe_stack_events")
        events = [
            event for page in pages.paginate(StackName=self.name) for event in page["StackEvents"]
        ]
        recent = takewhile(lambda it: it.get("ResourceStatusReason") != "User Initiated", events)
        return [_line(event) for event in reversed([*recent]) if _is_cause(event)]


def _is_cause(event: Mapping[str, Any]) -> bool:
    is_failure = str(event["ResourceStatus"]).endswith("_FAILED")
    return is_failure and "cancelled" not in event.get("ResourceStatusReason", "")


def _line(event: Mapping[str, Any]) -> str:
    what = f"{event['LogicalResourceId']} ({event['ResourceType']})"
    return f"  {what}: {event.get('ResourceStatusReason', event['ResourceStatus'])}"
