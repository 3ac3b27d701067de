"""A function whose claim to start is over starts nothing that another function covers."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from chalicelib.errors import GpuNotReady, NoCapacity, StartFailed
from chalicelib.gateways.ec2 import Instance
from chalicelib.models.fleet.start_series import StartSeries
from tests.gateways.region import Region, fleet_of
from tests.models.failing_dynamodb import lost_answer
from tests.services.interfering import once

pytestmark = pytest.mark.usefixtures("aws")

TYPES = ("g6.xlarge", "g5.xlarge")


class SlowRegion(Region):
    """Something happens while the instances are described to a function that has its claim."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def instances(self) -> list[Instance]:
        described = super().instances()
        if self.asked == 2:
            self.meanwhile()
        return described

    def clock(self) -> float:
        self.now += 0.001
        return self.now


def slow_region(*states: str, then: Callable[[Region], object]) -> SlowRegion:
    """Return a region in which the look of the first function takes longer than its claim."""
    region = SlowRegion(*states)

    def act() -> None:
        region.now += 31
        then(region)

    region.meanwhile = once(act)
    return region


def scale(region: Region) -> None:
    """Start instances as a worker does, which goes on when none is started."""
    with suppress(GpuNotReady, StartFailed):
        fleet_of(region, types=TYPES, clock=clock_of(region)).scale(least_jobs=1)


def clock_of(region: Region) -> Callable[[], float] | None:
    return region.clock if isinstance(region, SlowRegion) else None


def test_a_function_whose_claim_another_one_has_taken_over_starts_nothing() -> None:
    region = Region("stopped", "stopped")
    change = region.change_type

    def act() -> None:
        region.now += 31
        scale(region)

    first = once(act)

    def change_slowly(instance_id: str, instance_type: str) -> bool:
        first()
        return change(instance_id, instance_type)

    region.change_type = change_slowly  # type: ignore[method-assign]
    scale(region)
    assert region.started == ["i-0"]


def test_a_function_with_a_lost_claim_changes_no_type() -> None:
    def claim(region: Region) -> None:
        assert StartSeries.read(now=region.now).claim(now=region.now, until=region.now + 30)

    region = slow_region("stopped", then=claim)
    scale(region)
    assert (region.started, region.types["i-0"]) == ([], "g5.xlarge")


def test_a_function_with_a_lost_claim_says_what_the_other_one_found() -> None:
    region = slow_region("stopped", then=scale)
    region.scarce = set(TYPES)
    with pytest.raises(NoCapacity, match="tried once, next at 00:17:21"):
        fleet_of(region, types=TYPES, clock=region.clock).start(None)
    assert StartSeries.read(now=region.now).failed == 1


def test_a_claim_that_is_over_and_that_nobody_took_is_renewed() -> None:
    region = slow_region("stopped", then=lambda region: None)
    scale(region)
    assert region.started == ["i-0"]


def test_a_round_that_takes_long_keeps_its_claim_until_its_last_start() -> None:
    region = Region(*["stopped"] * 3)
    start, others = region.start, []

    def start_slowly(instance_id: str) -> bool:
        region.now += 7
        others.append(StartSeries.read(now=region.now).claim(now=region.now, until=region.now + 30))
        return start(instance_id)

    region.start = start_slowly  # type: ignore[method-assign]
    region.scarce = set(TYPES)
    scale(region)
    assert others == [False, False, False]


@pytest.mark.parametrize("wanted", ["UpdateItem", "next_at", "holder", "on_since"])
def test_a_write_whose_answer_is_lost_leads_to_one_start(wanted: str) -> None:
    region = Region("stopped", "stopped")
    with lost_answer(wanted, meanwhile=lambda: scale(region)):
        scale(region)
    assert region.started == ["i-0"]


def test_a_renewal_whose_answer_comes_too_late_starts_nothing() -> None:
    region = Region("stopped", "stopped")

    def take_long() -> None:
        region.now += 25

    with lost_answer("'ConditionExpression': '(#0 = :0 AND", meanwhile=take_long):
        scale(region)
    assert region.started == []
