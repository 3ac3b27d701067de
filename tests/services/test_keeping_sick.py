"""What the keeper does about instances that do not work, or that are about to stop."""

import itertools
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job import Job
from chalicelib.services.keeping import Keeper
from tests.services.fakes import Parts
from tests.services.gpus import SlowComfyUI, late, take_seat


class Fleet:
    """Instances as they are described, those that are sick, and those that were stopped."""

    def __init__(self, *names: str) -> None:
        facts = {"is_kept": False, "can_be_started": True, "state": "running"}
        self.instances = [SimpleNamespace(id=name, **facts) for name in names]
        self.sick: set[str] = set()
        self.stubborn: set[str] = set()
        self.stopped: list[str] = []

    def members(self) -> list[Any]:
        return [each for each in self.instances if each.id not in self.stopped]

    def answering(self) -> list[Any]:
        facts = {"queue_length": 0, "is_draining": False}
        return [
            SimpleNamespace(
                instance=each,
                is_sick=each.id in self.sick,
                record=InstanceRecord.read(each.id),
                **facts,
            )
            for each in self.members()
        ]

    def stop(self, instance: Any) -> None:
        if instance.id in self.stubborn:
            raise RuntimeError("EC2 refused")
        self.stopped.append(instance.id)


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts(SlowComfyUI())


@pytest.fixture
def fleet() -> Fleet:
    return Fleet("i-1", "i-2")


@pytest.fixture
def keeper(fleet: Any, parts: Parts) -> Keeper:
    return keeper_of(fleet, parts)


def keeper_of(fleet: Any, parts: Parts) -> Keeper:
    limits = {"idle_stop_seconds": 300, "boot_timeout_seconds": 900}
    return Keeper(fleet, parts.dispatch, parts.driver, parts.waker, clock=parts.clock, **limits)


def keep(keeper: Keeper, parts: Parts, *, minutes: int) -> None:
    for _ in range(minutes):
        keeper.keep()
        parts.clock.advance(60)


def test_an_instance_that_stays_sick_is_stopped_though_jobs_wait(
    keeper: Keeper, fleet: Fleet, parts: Parts
) -> None:
    late(parts, 3)
    fleet.sick = {"i-2"}
    keep(keeper, parts, minutes=1)
    assert fleet.stopped == []
    keep(keeper, parts, minutes=1)
    assert fleet.stopped == ["i-2"]


def test_an_instance_that_is_well_again_is_trusted_again(
    keeper: Keeper, fleet: Fleet, parts: Parts
) -> None:
    for name in ("i-1", "i-2"):
        InstanceRecord(name).distrust("bad", now=parts.clock())
    fleet.sick = {"i-2"}
    keep(keeper, parts, minutes=1)
    assert [InstanceRecord.read(name).suspect for name in ("i-1", "i-2")] == [None, "bad"]
    fleet.sick = set()
    keep(keeper, parts, minutes=4)
    assert fleet.stopped == []


@pytest.mark.parametrize("fact", [{"is_kept": True}, {"can_be_started": False}])
def test_a_sick_instance_that_is_not_ours_to_stop_stays_on(
    keeper: Keeper, fleet: Fleet, parts: Parts, fact: dict[str, bool]
) -> None:
    late(parts)
    vars(fleet.instances[1]).update(fact)
    fleet.sick = {"i-2"}
    keep(keeper, parts, minutes=5)
    assert fleet.stopped == []


def test_an_instance_that_is_about_to_stop_takes_no_job_with_it(
    keeper: Keeper, fleet: Fleet, parts: Parts
) -> None:
    keep(keeper, parts, minutes=5)
    members, looks = fleet.members, itertools.count(1)

    def seat_one() -> list[Any]:
        if next(looks) == 2:  # the jobs were counted just before, and there was none
            known = {"parameters": {}, "lease": "driver", "due_at": parts.clock() + 60}
            Job.new("01J", now=parts.clock(), **known).save()
            assert take_seat("01J", "i-1")
        return members()

    fleet.members = seat_one  # type: ignore[method-assign]
    keep(keeper, parts, minutes=1)
    assert fleet.stopped == ["i-2"]


def test_an_instance_that_cannot_be_stopped_does_not_keep_the_others_on(
    keeper: Keeper, fleet: Fleet, parts: Parts
) -> None:
    fleet.sick, fleet.stubborn = {"i-1", "i-2"}, {"i-1"}
    for _ in range(3):
        with suppress(RuntimeError):
            keeper.keep()
        parts.clock.advance(60)
    assert fleet.stopped == ["i-2"]
