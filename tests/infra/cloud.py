"""Fakes of the parts of AWS that a deployment calls."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

IMAGE_ID = "ami-0123456789abcdef0"


class Ec2:
    """Availability zones a, b and c, and the zones of each type; L is a zone of another kind."""

    def __init__(self, **zones_of: str) -> None:
        self.zones_of = zones_of or {"g6_xlarge": "bcL", "g5_xlarge": "abc"}

    def describe_availability_zones(self, **asked: Any) -> Any:
        assert asked["Filters"] == [{"Name": "zone-type", "Values": ["availability-zone"]}]
        zones = [{"ZoneName": f"r-1{letter}", "State": "available"} for letter in "cab"]
        return {"AvailabilityZones": [*zones, {"ZoneName": "r-1d", "State": "unavailable"}]}

    def get_paginator(self, operation: str) -> "Ec2":
        assert operation == "describe_instance_type_offerings"
        return self

    def paginate(self, **asked: Any) -> Iterator[Any]:
        [wanted] = asked["Filters"]
        for name, letters in self.zones_of.items():
            kind = name.replace("_", ".")
            if kind in wanted["Values"]:
                yield {
                    "InstanceTypeOfferings": [
                        {"InstanceType": kind, "Location": f"r-1{letter}"} for letter in letters
                    ]
                }


class Ssm:
    """An SSM with one AMI."""

    asked = 0

    def get_parameter(self, **asked: str) -> Any:
        assert asked["Name"].startswith("/aws/service/deeplearning/ami/x86_64/")
        self.asked += 1
        return {"Parameter": {"Value": IMAGE_ID}}


class CloudFormation:
    """One stack, which goes through the given states when a change set is executed."""

    def __init__(self, status: str | None = None, **given: Any) -> None:
        self.status = status
        self.changes: list[dict[str, Any]] = given.get("changes", [])
        self.reason: str | None = given.get("reason")
        self.states: list[str] = given.get("states", ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
        self.events: list[dict[str, Any]] = given.get("events", [])
        self.calls: list[str] = []
        self.kind = ""

    def describe_stacks(self, **_: str) -> Any:
        if self.status is None:
            error = {"Code": "ValidationError", "Message": "Stack with id s does not exist"}
            raise ClientError({"Error": error}, "DescribeStacks")
        status = self.status
        if status.endswith("IN_PROGRESS") and self.states:
            self._go_on()
        return {"Stacks": [{"StackStatus": status}]}

    def _go_on(self) -> None:
        state = self.states.pop(0)
        self.status = None if state == "GONE" else state

    def create_change_set(self, **asked: Any) -> Any:
        self.kind = asked["ChangeSetType"]
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
        self.calls.append("protect" if asked["EnableTerminationProtection"] else "unprotect")

    def delete_stack(self, **_: str) -> None:
        self.calls.append("delete")
        self._go_on()

    def get_paginator(self, operation: str) -> "CloudFormation":
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **_: str) -> Iterator[Any]:
        for event in self.events:
            yield {"StackEvents": [event]}


def change(name: str, kind: str, action: str = "Modify", **more: Any) -> dict[str, Any]:
    """Return a change of a change set; `by` names the properties."""
    details = [{"Target": {"Attribute": "Properties", "Name": each}} for each in more.pop("by", [])]
    about = {"LogicalResourceId": name, "ResourceType": kind, "Action": action, "Details": details}
    return {"Type": "Resource", "ResourceChange": {**about, **more}}


def event(name: str, kind: str, status: str, reason: str = "") -> dict[str, str]:
    """Return an event of a stack."""
    fields = {"LogicalResourceId": name, "ResourceType": kind, "ResourceStatus": status}
    return {**fields, "ResourceStatusReason": reason} if reason else fields
