"""As many GPU instances as FleetSize says, once the stack exists."""

from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any, NamedTuple

from infra.deploy.choices import types_of, zones_of
from infra.deploy.instances import Instances, NotLaunched, Place, places
from infra.deploy.losses import Loss, refusal
from infra.deploy.progress import Say
from infra.deploy.stack import DeploymentFailed

# The id of `chalicelib.models.fleet.creation`, which reads the configuration of functions.
_CREATION = ":creation"


class Setting(NamedTuple):
    """What a stack launches its instances with: its resources' ids by name, types and zones."""

    resources: Mapping[str, str]
    types: list[str]
    zones: list[str]

    @classmethod
    def of(cls, resources: Mapping[str, str], parameters: Mapping[str, str]) -> "Setting":
        return cls(resources, types_of(parameters["GpuTypes"]), zones_of(parameters["GpuZones"]))

    @property
    def template(self) -> str:
        """The id of the launch template; a stack without an AMI has none."""
        return self.resources.get("GpuLaunch", "")

    @property
    def subnets(self) -> dict[str, str]:
        """The ids of the subnets by zone."""
        return {
            zone: self.resources[f"GpuSubnet{number}"]
            for number, zone in enumerate(self.zones, start=1)
        }

    def places(self, number: int, offered: Mapping[str, set[str]]) -> list[Place]:
        """Return where to try an instance; nowhere if there is no AMI."""
        return places(number, self.types, self.subnets, offered) if self.template else []


class Fleet:
    """The instances of a stack; `say` prints a line about each that is launched or terminated."""

    def __init__(self, instances: Instances, say: Say) -> None:
        self._instances = instances
        self._say = say

    def check(self, size: int, accept: Collection[str]) -> None:
        """Raise DeploymentFailed if instances above `size` exist that `accept` does not name."""
        lost = [
            Loss(_name(number), f"would be terminated (FleetSize={size})")
            for number in sorted(self._instances.known())
            if number > size and _name(number) not in accept
        ]
        if lost:
            raise DeploymentFailed(refusal(lost))

    def shrink(self, size: int) -> None:
        """Terminate the instances above `size`."""
        known = self._instances.known()
        surplus = {number: known[number] for number in sorted(known) if number > size}
        for number, ids in surplus.items():
            self._say(f"{_name(number)}: terminating {', '.join(ids)}")
        self._instances.terminate([*chain(*surplus.values())])

    def grow(
        self, size: int, setting: Setting, offered: Mapping[str, set[str]], notes: "Notes"
    ) -> None:
        """Launch the instances that are missing.

        Raise InstancesMissing at the first one that EC2 launches nowhere: it would not launch the
        others either. If there is none at all, the jobs wait for the reason that is noted.
        """
        known = self._instances.known()
        missing = [number for number in range(1, size + 1) if number not in known]
        if size and not known:
            notes.put("it is being launched")
        for number in missing:
            where = setting.places(number, offered)
            try:
                id_, place = self._instances.launch(number, setting.template, where)
            except NotLaunched as failure:
                if not known:
                    notes.put(failure.reason)
                raise InstancesMissing(number, size, failure) from failure
            if not known:
                notes.clear()
            known[number] = [id_]
            self._say(f"{_name(number)}: {id_}, {place.type} in {place.zone}")
        if not missing:
            notes.clear()


class InstancesMissing(DeploymentFailed):
    """EC2 did not launch an instance; the message says why, and what helps."""

    def __init__(self, number: int, size: int, failure: NotLaunched) -> None:
        tried = "".join(
            f"\n  {place.type} in {place.zone}: {why.text}" for place, why in failure.refusals
        )
        others = f" {_name(number + 1)} to {_name(size)} were not tried." if size > number else ""
        super().__init__(
            f"EC2 launched no instance for {_name(number)}:{tried or f' {failure.reason}.'}\n"
            f"The API works, and jobs wait for a GPU.{others} {failure.remedy}."
        )


class Notes:
    """What the API tells callers while there is no instance; stored in the table of the fleet."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def put(self, reason: str) -> None:
        item = {"id": {"S": _CREATION}, "reason": {"S": reason}}
        self._dynamodb.put_item(TableName=self._table, Item=item)

    def clear(self) -> None:
        self._dynamodb.delete_item(TableName=self._table, Key={"id": {"S": _CREATION}})


def _name(number: int) -> str:
    return f"Gpu{number}"
