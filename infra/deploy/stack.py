"""A CloudFormation stack, and updates that replace or remove no precious resource unasked."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import takewhile
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.losses import losses, refusal
from infra.deploy.progress import Progress, Say
from infra.deploy.remedies import REMEDIES
from infra.deploy.resource import NEVER_LEFT, STACK, Resource
from infra.failures import CommandFailed

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_FUNCTION = "AWS::Lambda::Function"
_NOTHING = ("No updates are to be performed", "didn't contain changes")


class DeploymentFailed(CommandFailed):
    """The deployment was refused or failed; the message says why."""


class Stack:
    """A stack by its name.

    `pause` waits between two polls of its status, and `say` prints how far AWS is.
    """

    def __init__(
        self,
        cloudformation: Any,
        name: str,
        pause: Callable[[], None] = lambda: time.sleep(5),
        say: Say = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cloudformation = cloudformation
        self.name = name
        self.say = say
        self._pause, self._clock = pause, clock

    @property
    def status(self) -> str | None:
        """CloudFormation's status of the stack; None if there is no stack."""
        return str(found["StackStatus"]) if (found := self._described()) else None

    @property
    def exists(self) -> bool:
        """Whether there is a stack, and not only a plan of one."""
        return self.status not in (None, "REVIEW_IN_PROGRESS")

    def outputs(self) -> dict[str, str]:
        found = self._described() or {}
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}

    def parameters(self) -> dict[str, str]:
        known = (self._described() or {}).get("Parameters", [])
        return {each["ParameterKey"]: each["ParameterValue"] for each in known}

    def chosen(self) -> dict[str, str]:
        """Return the parameters whose values are not the defaults of the deployed template."""
        if not self.exists:
            return {}
        summary = self._cloudformation.get_template_summary(StackName=self.name)
        defaults = {
            each["ParameterKey"]: each.get("DefaultValue") for each in summary["Parameters"]
        }
        values = self.parameters()
        return {name: value for name, value in values.items() if value != defaults.get(name)}

    def apply(
        self, template_url: str, parameters: Mapping[str, str], *, accept: Collection[str] = ()
    ) -> bool:
        """Create or update the stack from a template; return whether anything changed.

        A parameter that is not given has the template's default. A stack whose last operation
        failed must be recovered first (`recovery.py`). Raise DeploymentFailed, and change
        nothing, if a precious resource that `accept` does not name would be replaced or removed.
        """
        change_set = self._plan(template_url, parameters)
        if change_set is None:
            return False
        if lost := [loss for loss in losses(self._changes(change_set)) if loss.name not in accept]:
            self._forget(change_set)
            raise DeploymentFailed(refusal(lost))
        self._cloudformation.execute_change_set(ChangeSetName=change_set, RetainExceptOnCreate=True)
        self._settle(("CREATE_COMPLETE", "UPDATE_COMPLETE"))
        return True

    def delete(self) -> list[Resource]:
        """Delete the stack despite its termination protection; return the resources that stay.

        These are the tables and the bucket, and what AWS fails to delete. Raise DeploymentFailed,
        and keep the stack, if it fails to delete something that is never left (`resource.py`).
        """
        found = self._described()
        if not found:
            return []
        if found.get("EnableTerminationProtection"):
            self.protect(protected=False)
        self._delete()
        events = map(Resource.of, self._events(found["StackId"]))
        stay = [each for each in events if each.status == "DELETE_SKIPPED" and each.id]
        return [*{each.id: each for each in reversed(stay)}.values()]

    def continue_rollback(self, skipped: Collection[str] = ()) -> None:
        """Continue the roll-back of an update, without the skipped resources."""
        options = {"ResourcesToSkip": [*skipped]} if skipped else {}
        self._cloudformation.continue_update_rollback(StackName=self.name, **options)
        self._settle(("UPDATE_ROLLBACK_COMPLETE",))

    def protect(self, *, protected: bool = True) -> None:
        """Turn termination protection on or off."""
        self._cloudformation.update_termination_protection(
            StackName=self.name, EnableTerminationProtection=protected
        )

    def resources(self) -> Iterator[Resource]:
        pages = self._cloudformation.get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=self.name):
            yield from map(Resource.of, page["StackResourceSummaries"])

    def failures(self) -> str:
        """Describe the failures of the last operation, the first one first."""
        recent = takewhile(
            lambda each: each.get("ResourceStatusReason") != "User Initiated",
            self._events(self.name),
        )
        causes = [each for each in map(Resource.of, recent) if each.is_cause]
        # The stack's own event only names the resources that failed.
        causes = [each for each in causes if each.kind != STACK] or causes
        return "\n".join(each.failure for each in reversed(causes)) or "  no reason given"

    def ids(self) -> dict[str, str]:
        """Return the id of each resource by its name."""
        return {each.name: each.id for each in self.resources()}

    def functions(self) -> dict[str, str]:
        """Return the names of the Lambda functions by their names in the template."""
        return {each.name: each.id for each in self.resources() if each.kind == _FUNCTION}

    def _described(self) -> dict[str, Any] | None:
        try:
            [stack] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return None
        return dict(stack)

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

    def _settle(self, wanted: Collection[str]) -> None:
        if (status := self._wait()) not in wanted:
            raise self._failure(status)

    def _failure(self, status: str | None) -> DeploymentFailed:
        said = [f"{self.name} ended in {status}:", self.failures(), REMEDIES.get(status or "", "")]
        return DeploymentFailed("\n".join(filter(None, said)))

    def _wait(self) -> str | None:
        """Wait until no operation is under way; return the status, or None if there is no stack."""
        progress = Progress(self.say, self._clock)
        self._pause()  # the status may be that from before the operation for a moment
        while (status := self.status) and status.endswith("IN_PROGRESS"):
            progress.see(status)
            self._pause()
        return status

    def _delete(self) -> None:
        """Delete the stack; then, again without what AWS failed to delete, until all is tried."""
        tried: set[str] = set()
        self._cloudformation.delete_stack(StackName=self.name)
        while status := self._wait():
            failed = [each for each in self.resources() if each.status == "DELETE_FAILED"]
            names = {each.name for each in failed}
            is_needed = any(each.kind in NEVER_LEFT for each in failed)
            if status != "DELETE_FAILED" or names <= tried or is_needed:
                raise self._failure(status)
            self.say("AWS failed to delete these, which are kept:\n" + self.failures())
            tried |= names
            self._cloudformation.delete_stack(StackName=self.name, RetainResources=sorted(names))

    def _events(self, stack: str) -> list[dict[str, Any]]:
        """Return the events of a stack, the latest one first; a deleted one is known by its id."""
        pages = self._cloudformation.get_paginator("describe_stack_events")
        return [event for page in pages.paginate(StackName=stack) for event in page["StackEvents"]]
