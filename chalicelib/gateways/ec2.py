"""Where ComfyUI runs: EC2 instances that share a tag, or one fixed address."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    ReadTimeoutError,
)
from msgspec import Struct

from chalicelib.errors import (
    FleetUnreachable,
    NoCapacity,
    StartFailed,
    StartUnknown,
    StopFailed,
    Throttled,
    TypeRefused,
)

log = logging.getLogger("darkroom.ec2")

FLEET_TAG = "darkroom:fleet"
ENDPOINT_TAG = "darkroom:endpoint"
KEEP_TAG = "darkroom:keep"

_RETRY_SECONDS = 10
_SERVER_ERROR = 500

_GONE = ("shutting-down", "terminated")
_CAPACITY = (
    "InsufficientInstanceCapacity",
    "InsufficientCapacity",
    "InsufficientHostCapacity",
    "InsufficientCapacityOnHost",
    "SpotMaxPriceTooLow",
    "Unsupported",  # this type, in this zone
    "IncorrectSpotRequestState",  # EC2 itself starts it again when it can
    "SpotInstanceShutdown",
)
_QUOTA = ("InstanceLimitExceeded", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded")
_THROTTLED = (
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "Throttling",
    "ThrottlingException",
    "EC2ThrottledException",
)
_NOT_STOPPED = "IncorrectInstanceState"
# Reasons of a state that say that the instance was shut down, or that it is on.
_SHUT_DOWN = (
    "UserInitiatedShutdown",
    "UserInitiatedHibernate",
    "InstanceInitiatedShutdown",
    "SpotInstanceTermination",
    "pending",
)


class Instance(Struct, frozen=True):
    """A GPU instance; `state` is EC2's name of its state, `url` the address of its ComfyUI.

    `state_reason` and `state_message` are EC2's code and text of why it has this state.
    """

    id: str
    state: str
    url: str
    type: str = ""
    launched_at: float | None = None
    can_be_started: bool = True
    is_kept: bool = False
    state_reason: str | None = None
    state_message: str = ""
    zone: str | None = None

    @property
    def lack(self) -> str | None:
        """What EC2 lacked when it stopped the instance; None if that is not why it is off."""
        return lack_of(self.state_reason or "")

    @property
    def fault(self) -> str | None:
        """Why EC2 stopped the instance, if nobody shut it down and EC2 lacked nothing."""
        code = self.state_reason
        if not code or self.lack or bare(code) in _SHUT_DOWN:
            return None
        return f"{code}: {self.state_message}" if self.state_message else code


class GpuFleet:
    """The EC2 instances whose tag `darkroom:fleet` has one value."""

    def __init__(self, ec2: Any, *, tag: str, port: int) -> None:
        self._ec2 = ec2
        self._tag = tag
        self._port = port

    def instances(self) -> list[Instance]:
        """Return the instances, without terminated ones, in the order of their ids.

        Raise FleetUnreachable when EC2 does not answer.
        """
        try:
            described = self._described()
        except (BotoCoreError, ClientError) as error:
            raise FleetUnreachable("EC2 does not answer", retry_seconds=_RETRY_SECONDS) from error
        alive = [instance for instance in described if instance.state not in _GONE]
        return sorted(alive, key=lambda instance: instance.id)

    def _described(self) -> list[Instance]:
        # The client does not retry: to it EC2's lack of capacity looks like a server error.
        try:
            return [self._instance(each) for each in self._describe()]
        except (ConnectTimeoutError, ReadTimeoutError):
            raise  # callers cannot wait for a second timeout
        except (BotoCoreError, ClientError):
            return [self._instance(each) for each in self._describe()]

    def _describe(self) -> Iterator[dict[str, Any]]:
        filters = [{"Name": f"tag:{FLEET_TAG}", "Values": [self._tag]}]
        for page in self._ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]

    def change_type(self, instance_id: str, instance_type: str) -> bool:
        """Change the type of a stopped instance; return False if it is not stopped.

        Raise TypeRefused when EC2 refuses, as it does for types that the AMI does not run on, and
        Throttled when there were too many requests.
        """
        try:
            self._ec2.modify_instance_attribute(
                InstanceId=instance_id, InstanceType={"Value": instance_type}
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == _NOT_STOPPED:
                return False
            if code in _THROTTLED:
                raise _throttled(code) from error
            raise TypeRefused(
                f"EC2 refused to change the type to {instance_type} ({code})"
            ) from error
        except BotoCoreError as error:
            raise TypeRefused("EC2 did not answer the request to change the type") from error
        return True

    def start(self, instance_id: str) -> bool:
        """Start an instance; harmless when it is on. Return False if it is still stopping.

        Raise NoCapacity when EC2 has no capacity or quota for this type, Throttled when there were
        too many requests, StartUnknown when the instance may have started anyway, and StartFailed
        when EC2 refuses for another reason.
        """
        try:
            self._ec2.start_instances(InstanceIds=[instance_id])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == _NOT_STOPPED:
                return False
            raise _start_failed(error) from error
        except BotoCoreError as error:
            raise StartUnknown(
                "EC2 did not answer the request to start the GPU instance"
            ) from error
        return True

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        """Stop an instance; harmless when it is stopped.

        With `force` EC2 does not wait for its operating system, which may lose what is not written.
        Raise StopFailed when EC2 refuses or does not answer.
        """
        try:
            self._ec2.stop_instances(InstanceIds=[instance_id], Force=force)
        except (BotoCoreError, ClientError) as error:
            raise StopFailed(f"EC2 did not stop the GPU instance {instance_id}: {error}") from error

    def _instance(self, described: dict[str, Any]) -> Instance:
        tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
        address = described.get("PrivateIpAddress", "")
        launched: datetime | None = described.get("LaunchTime")
        reason: dict[str, str] = described.get("StateReason", {})
        code = reason.get("Code") or None
        return Instance(
            id=described["InstanceId"],
            state=described["State"]["Name"],
            url=tags.get(ENDPOINT_TAG) or f"http://{address}:{self._port}",
            type=described.get("InstanceType", ""),
            launched_at=launched.timestamp() if launched else None,
            is_kept=KEEP_TAG in tags,
            state_reason=code,
            state_message=reason.get("Message", "").removeprefix(f"{code}:").strip(),
            zone=described.get("Placement", {}).get("AvailabilityZone"),
        )


def bare(code: str) -> str:
    """Return a code as StartInstances has it: in reasons of a state, a prefix says whose fault."""
    return code.removeprefix("Server.").removeprefix("Client.")


def lacks_capacity(code: str) -> bool:
    """Return whether EC2 lacks capacity, which another zone or type may have."""
    return bare(code) in _CAPACITY


def lack_of(code: str) -> str | None:
    """Return what EC2 lacks to start an instance; None if the code says something else."""
    if lacks_capacity(code):
        return "EC2 has no capacity right now"
    if bare(code) in _QUOTA:
        return "the AWS account's quota of GPU instances is used up"
    return None


def _throttled(code: str) -> Throttled:
    log.warning("%s: EC2 throttles requests, and is asked again", code)
    return Throttled("EC2 throttles requests, and is asked again")


def _start_failed(error: ClientError) -> StartFailed:
    code: str = error.response["Error"]["Code"]
    if lack := lack_of(code):
        if bare(code) in _QUOTA:
            log.warning("%s: ask AWS for a larger quota of running instances of this type", code)
        return NoCapacity(lack)
    if code in _THROTTLED:
        return _throttled(code)
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= _SERVER_ERROR:
        log.warning("%s: EC2 does not say whether it starts the GPU instance", code)
        return StartUnknown(f"EC2 did not say whether it starts the GPU instance ({code})")
    log.warning("%s: check the instance in the EC2 console and the function's permissions", code)
    return StartFailed(f"EC2 refused to start the GPU instance ({code})")


class StaticFleet:
    """A ComfyUI at a fixed address, which Darkroom never starts or stops."""

    def __init__(self, url: str) -> None:
        self._instance = Instance(
            id="static", state="running", url=url.rstrip("/"), can_be_started=False
        )

    def instances(self) -> list[Instance]:
        return [self._instance]

    def change_type(self, instance_id: str, instance_type: str) -> bool:
        """Raise TypeRefused."""
        raise TypeRefused(f"{instance_id} is not an EC2 instance of type {instance_type}")

    def start(self, instance_id: str) -> bool:
        """Raise StartFailed."""
        raise StartFailed(f"{instance_id} is not an EC2 instance")

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        """Do nothing."""
