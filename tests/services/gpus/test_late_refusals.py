"""Starts that EC2 accepts, and takes back some seconds later."""

import logging
from collections.abc import Collection

import pytest

from chalicelib.errors import GpuNotReady, NoCapacity
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.services.gpus.status_texts import comfyui_status
from tests.gateways.region import Region, acquire, fleet_of
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile, reconciler_of

pytestmark = pytest.mark.usefixtures("aws")

TYPES = ("g6.xlarge", "g5.xlarge")
CAPACITY = "Server.InsufficientInstanceCapacity"
MINUTE = 60


class LateRegion(Region):
    """Instances of some types are stopped again six seconds after their start."""

    def __init__(self, *states: str, late: Collection[str], code: str = CAPACITY) -> None:
        super().__init__(*states)
        self.late, self.code = late, code
        self.starts: list[tuple[float, str, str]] = []

    def start(self, instance_id: str) -> bool:
        self.reasons[instance_id] = "pending"
        self.starts.append((self.now, instance_id, self.types[instance_id]))
        return super().start(instance_id)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        latest = {name: (at, name, type_) for at, name, type_ in self.starts}
        for at, name, type_ in latest.values():
            if self.states[name] == "pending" and self.now - at > 5 and type_ in self.late:
                self.states[name], self.reasons[name] = "stopped", self.code

    @property
    def tried(self) -> list[tuple[str, str]]:
        return [(name, type_) for _, name, type_ in self.starts]


def wait(region: LateRegion, seconds: float, types: tuple[str, ...] = TYPES) -> list[str]:
    """Ask for a GPU as often as a job does; return what the job is told."""
    fleet, told = fleet_of(region, types=types), []
    end = region.now + seconds
    while region.now < end:
        with pytest.raises(GpuNotReady) as reason:
            acquire(fleet)
        told.append(str(reason.value))
        region.pass_time(min(reason.value.retry_seconds, 10))
    return told


def test_an_instance_whose_preferred_type_is_refused_late_starts_as_the_next() -> None:
    region = LateRegion("stopped", late={"g6.xlarge"})
    wait(region, MINUTE)
    assert region.tried == [("i-0", "g6.xlarge"), ("i-0", "g5.xlarge")]
    assert region.states["i-0"] == "pending"


def test_the_other_instance_is_tried_before_the_next_type() -> None:
    region = LateRegion("stopped", "stopped", late={"g6.xlarge"})
    wait(region, 2 * MINUTE)
    assert region.tried == [
        ("i-0", "g6.xlarge"),
        ("i-1", "g6.xlarge"),
        ("i-0", "g5.xlarge"),
    ]


@pytest.mark.parametrize(
    "code",
    [
        CAPACITY,
        "Client.InstanceLimitExceeded",
        "Client.VcpuLimitExceeded",
        "Server.SpotInstanceShutdown",
    ],
)
def test_a_late_refusal_is_no_failed_boot_and_counts_as_a_lack_of_capacity(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "darkroom")
    region = LateRegion("stopped", late={"g6.xlarge"}, code=code)
    wait(region, MINUTE)
    record = InstanceRecord.read("i-0")
    assert (record.failed_boots, record.unhealthy_reason) == (0, None)
    assert sum(hasattr(each, "CapacityErrors") for each in caplog.records) == 1
    assert not [each for each in caplog.records if hasattr(each, "FailedBoots")]


def test_when_all_types_are_refused_late_the_job_is_told_and_ec2_asked_after_five_minutes() -> None:
    region = LateRegion("stopped", late=set(TYPES))
    told = wait(region, 5 * MINUTE)
    assert region.tried == [("i-0", "g6.xlarge"), ("i-0", "g5.xlarge")]
    assert told[-1] == (
        "waiting for GPU capacity: EC2 has no capacity right now; tried once, next at 00:21:56 UTC"
    )
    region.late = set()
    wait(region, MINUTE)
    assert region.tried[2:] == [("i-0", "g6.xlarge")]
    assert region.states["i-0"] == "pending"


def test_a_manual_start_while_all_types_are_refused_late_reports_no_capacity() -> None:
    region = LateRegion("stopped", late=set(TYPES))
    fleet = fleet_of(region, types=TYPES)
    for _ in TYPES:
        fleet.start(None)
        region.pass_time(20)
    for _ in range(2):
        with pytest.raises(NoCapacity, match="EC2 has no capacity right now") as refusal:
            fleet.start(None)
        assert type(refusal.value) is NoCapacity
    assert len(region.tried) == 2


def test_all_jobs_of_an_hour_without_capacity_are_told_so_and_none_that_it_is_unhealthy() -> None:
    region = LateRegion("stopped", late={"g5.xlarge"})
    told = wait(region, 60 * MINUTE, types=())
    assert not [text for text in told if "unhealthy" in text]
    assert 10 <= len(region.tried) <= 13


def test_a_used_up_quota_is_told_as_such() -> None:
    region = LateRegion("stopped", late=set(TYPES), code="Client.InstanceLimitExceeded")
    assert "quota of GPU instances is used up" in wait(region, MINUTE)[-1]


def test_the_status_says_that_ec2_had_no_capacity_though_no_job_waits(parts: Parts) -> None:
    gpus = Gpus("i-1")
    gpus.turn_off("i-1")
    fleet_of(gpus, clock=parts.clock).start(None)
    gpus.states["i-1"], gpus.reasons["i-1"] = "stopped", CAPACITY
    parts.clock.advance(20)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    status = comfyui_status(
        fleet_of(gpus, clock=parts.clock).inventory, parts.budget, parts.clock()
    )
    assert status.status == "no_capacity"
    assert "waiting for GPU capacity: EC2 has no capacity right now; tried once" in status.message


@pytest.mark.parametrize(
    "code", ["Client.VolumeLimitExceeded", "Client.InternalError", "Server.InternalError"]
)
def test_another_reason_of_ec2_is_a_failed_boot_that_names_it(code: str) -> None:
    region = LateRegion("stopped", late={"g6.xlarge"}, code=code)
    told = wait(region, 2 * MINUTE)
    assert region.tried == [("i-0", "g6.xlarge")] * 3
    assert f"unhealthy: EC2 stopped the GPU instance again ({code})" in told[-1]


@pytest.mark.parametrize(
    "code",
    [
        "Client.UserInitiatedShutdown",
        "Client.InstanceInitiatedShutdown",
        "Server.SpotInstanceTermination",
    ],
)
def test_an_instance_that_was_shut_down_while_it_booted_has_a_failed_boot(code: str) -> None:
    region = LateRegion("stopped", late={"g6.xlarge"}, code=code)
    told = wait(region, 2 * MINUTE)
    assert "the GPU instance is unhealthy: it went off while it booted" in told[-1]
