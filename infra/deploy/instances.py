"""The GPU instances of a stack, which `make deploy` launches and terminates itself.

CloudFormation would roll back the whole stack for one instance that EC2 cannot launch.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.gateways.ec2 import FLEET_TAG, lack_of
from infra.deploy.refusals import Refusal, refusal_of

NUMBER_TAG = "darkroom:number"

_GONE = ("shutting-down", "terminated")
_ALIVE = ["pending", "running", "stopping", "stopped"]
_POLLS = 40
_NOT_KNOWN_YET = "InvalidInstanceID.NotFound"
_UNKNOWN = "unknown"


class Place(NamedTuple):
    """Where an instance may be launched, and as what."""

    type: str
    zone: str
    subnet: str


class NotLaunched(Exception):
    """EC2 launched no instance; `refusals` says why, for each place that was tried."""

    def __init__(self, refusals: Sequence[tuple[Place, Refusal]]) -> None:
        super().__init__("; ".join(f"{at.type} in {at.zone}: {why.text}" for at, why in refusals))
        self.refusals = refusals

    @property
    def reason(self) -> str:
        """Why, for the callers of the API: what EC2 lacks, or else its error code."""
        if not self.refusals:
            return "this region has no zone or no AMI for it"
        codes = [why.code for _, why in self.refusals]
        lacks = [lack for code in codes if (lack := lack_of(code))]
        return lacks[-1] if lacks else f"EC2 refused to launch it ({codes[-1]})"

    @property
    def remedy(self) -> str:
        if not self.refusals:
            return "See the lines 'GPU zones' and 'AMI' above"
        return self.refusals[-1][1].remedy


class Instances:
    """The instances of one stack by their numbers, from 1; `pause` waits between two looks."""

    def __init__(
        self, ec2: Any, stack: str, pause: Callable[[], None] = lambda: time.sleep(3)
    ) -> None:
        self._ec2 = ec2
        self._stack = stack
        self._pause = pause

    def known(self) -> dict[int, list[str]]:
        """Return the ids of the instances that are not terminated, by number."""
        filters = [
            {"Name": f"tag:{FLEET_TAG}", "Values": [self._stack]},
            {"Name": "tag-key", "Values": [NUMBER_TAG]},
            {"Name": "instance-state-name", "Values": _ALIVE},
        ]
        found: dict[int, list[str]] = {}
        for each in self._described(Filters=filters):
            tags = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
            found.setdefault(int(tags[NUMBER_TAG]), []).append(each["InstanceId"])
        return found

    def launch(self, number: int, template: str, places: Iterable[Place]) -> tuple[str, Place]:
        """Launch an instance at the first place that has capacity; return its id and place.

        Raise NotLaunched. After a refusal that is not of the zone, no other zone is tried for the
        type.
        """
        refusals: list[tuple[Place, Refusal]] = []
        hopeless: set[str] = set()
        for place in places:
            if place.type in hopeless:
                continue
            try:
                id_ = self._launch(number, template, place)
            except ClientError as error:
                found = error.response["Error"]
                refusal = refusal_of(found["Code"], found.get("Message", ""))
            else:
                if (end := self._end(id_)) is None:
                    return id_, place
                refusal = end
            refusals.append((place, refusal))
            if not refusal.is_of_zone:
                hopeless.add(place.type)
        raise NotLaunched(refusals)

    def terminate(self, ids: Sequence[str]) -> None:
        """Terminate instances, and wait until they have left their subnets."""
        if not ids:
            return
        self._ec2.terminate_instances(InstanceIds=ids)
        while any(self._state(each)[0] not in ("terminated", _UNKNOWN) for each in ids):
            self._pause()

    def _launch(self, number: int, template: str, place: Place) -> str:
        name = f"{self._stack}-gpu-{number}"
        tags = {FLEET_TAG: self._stack, NUMBER_TAG: str(number), "Name": name}
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        launched = self._ec2.run_instances(
            LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
            InstanceType=place.type,
            SubnetId=place.subnet,
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {"ResourceType": kind, "Tags": listed} for kind in ("instance", "volume")
            ],
        )
        return str(launched["Instances"][0]["InstanceId"])

    def _end(self, id_: str) -> Refusal | None:
        """Wait while an instance is pending; return why EC2 has terminated it, if it has.

        EC2 may take back what it has accepted. An instance that cannot be looked at counts as on.
        """
        for _ in range(_POLLS):
            with suppress(ClientError):  # such as too many requests
                state, reason = self._state(id_)
                if state in _GONE:
                    text = reason["Message"].removeprefix(f"{reason['Code']}:").strip()
                    return refusal_of(reason["Code"], text)
                if state not in ("pending", _UNKNOWN):
                    return None
            self._pause()
        return None

    def _state(self, id_: str) -> tuple[str, Any]:
        """Return an instance's state and EC2's reason for it.

        EC2 may need some seconds until it describes what it has launched.
        """
        try:
            [found] = self._described(InstanceIds=[id_])
        except ClientError as error:
            if error.response["Error"]["Code"] != _NOT_KNOWN_YET:
                raise
            return _UNKNOWN, {}
        return found["State"]["Name"], {"Code": "", "Message": "", **found.get("StateReason", {})}

    def _described(self, **asked: Any) -> Iterator[dict[str, Any]]:
        for page in self._ec2.get_paginator("describe_instances").paginate(**asked):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]


def places(
    number: int, types: Sequence[str], subnets: Mapping[str, str], offers: Mapping[str, set[str]]
) -> list[Place]:
    """Return where to try an instance: its types in order, each in all zones that offer it.

    Each number begins at another zone, so that a shortage in one does not meet all instances.
    """
    zones = list(subnets)
    first = (number - 1) % len(zones) if zones else 0
    turned = [*zones[first:], *zones[:first]]
    return [
        Place(kind, zone, subnets[zone])
        for kind in types
        for zone in turned
        if zone in offers.get(kind, set())
    ]
