"""What a report on the instances says of each, of today's costs, and what reading it takes."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chalicelib.days import date_of, day_end
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.usage import DayUsage
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.instances import FleetReport, Instances
from tests.gateways.region import fleet_of, in_order
from tests.models.queueing import enqueue
from tests.services.fakes import Parts
from tests.services.reconcilers import LIMITS, Gpus, reconcile, reconciler_of
from tests.services.workers import acquire_slot
from tests.virtual.clock import VirtualClock
from tests.virtual.dynamodb import VirtualDynamoDB

STEPS = {"kernel": 4.0, "system": 12.0, "settings": 2.0, "driver": 2.0, "comfyui": 14.0}


@pytest.fixture
def parts(aws: None, gpus: Gpus) -> Parts:
    return Parts(ec2=gpus)


class Counting:
    """Does one work after another, and records how many were to be done at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        self.sizes.append(len(works))
        return in_order(works)


def report(
    gpus: Gpus, parts: Parts, together: Any = in_order, *, has_instances: bool = True
) -> FleetReport:
    """Report as another function than the reconciler does."""
    inventory, budget = fleet_of(gpus, clock=parts.clock).inventory, parts.budget
    kind = {"has_instances": has_instances}
    return Instances(inventory, budget, LIMITS, together, parts.clock, **kind).report()


def items() -> list[dict[str, Any]]:
    return [each.to_simple_dict() for each in InstanceRecord.scan()]


def test_an_instance_has_its_type_zone_and_jobs(gpus: Gpus, parts: Parts) -> None:
    gpus.zones["i-1"] = "us-east-1b"
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    acquire_slot("01J")
    [known] = report(gpus, parts).instances
    assert known.description == ("g5.xlarge", "us-east-1b", False)
    assert (known.state, known.since) == ("busy", None)  # no round has seen it yet
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    [known] = report(gpus, parts).instances
    assert (known.state, known.since) == ("busy", parts.clock() - 60)
    assert known.record.slot_holders == {"01J"}


def test_an_instance_that_was_just_noted_as_off_is_not_shown_as_it_was(
    gpus: Gpus, parts: Parts
) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    InstanceRecord("i-1").update(
        [InstanceRecord.on_since.remove(), InstanceRecord.ready_at.remove()]
    )
    [known] = report(gpus, parts).instances
    assert (known.record.state, known.state) == ("ready", "stopping")


def test_a_state_that_was_seen_before_the_last_start_has_no_time(gpus: Gpus, parts: Parts) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    InstanceRecord("i-1").update([InstanceRecord.started_at.set(parts.clock() - 10)])
    [known] = report(gpus, parts).instances
    assert (known.state, known.since) == ("ready", None)


def test_a_start_as_another_type_shows_at_once(parts: Parts) -> None:
    gpus = Gpus("i-1")
    gpus.turn_off("i-1")
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    fleet_of(gpus, clock=parts.clock, types=("g6.xlarge",)).start(None)
    [known] = report(gpus, parts).instances
    assert (known.state, known.description.instance_type) == ("starting", "g6.xlarge")


def test_what_is_booked_for_the_instances_is_what_is_booked_for_the_day(parts: Parts) -> None:
    gpus = Gpus("i-1", "i-2")
    gpus.types["i-2"] = "g6e.xlarge"
    parts.clock.now = day_end(parts.clock()) - 150
    acquire_slot("01J")
    acquire_slot("01K", "i-2")
    reconciler = reconciler_of(gpus, parts)
    for _ in range(6):
        InstanceRecord.read("i-1").release_slot("01J", spent_seconds=17.5)
        acquire_slot("01J")
        reconcile(reconciler, parts, minutes=1)
    day = DayUsage.on(date_of(parts.clock()))
    booked = [each.booked or {} for each in report(gpus, parts).instances]
    assert day.busy_seconds > 0
    for name in ("booting", "busy", "idle"):
        for unit in ("seconds", "cost"):
            total = sum(each.get(f"{name}_{unit}", 0) for each in booked)
            assert total == pytest.approx(float(getattr(day, f"{name}_{unit}")))
    assert report(gpus, parts).cost == pytest.approx(day.cost)


def test_nothing_is_booked_on_a_new_day_that_an_instance_was_off(gpus: Gpus, parts: Parts) -> None:
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=8)
    [known] = report(gpus, parts).instances
    assert known.booked
    parts.clock.now = day_end(parts.clock()) + 60
    answer = report(gpus, parts)
    assert (answer.instances[0].booked, answer.cost) == ({}, 0)


def boot(gpus: Gpus, parts: Parts, **changes: Any) -> None:
    """Have an instance start, and its report be read."""
    InstanceRecord("i-1").started(now=parts.clock())
    gpus.turn_on("i-1")
    told = {"version": 1, "kernel_started_at": parts.clock() + 8, "steps": STEPS, "failed": None}
    gpus.reports.texts["i-1"] = json.dumps(told | changes).encode()
    parts.clock.advance(60)


def test_the_last_boot_has_its_steps_in_their_order(gpus: Gpus, parts: Parts) -> None:
    started_at = parts.clock()
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    record = InstanceRecord.read("i-1")
    assert list(record.boot_steps.items()) == [("pending", 8.0), *STEPS.items()]
    assert (record.reported_start, record.boot_failed) == (started_at, False)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_failed_boot_does_not_have_the_steps_of_one_before(
    gpus: Gpus,
    parts: Parts,
    is_told: bool,  # noqa: FBT001
) -> None:
    boot(gpus, parts)
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=1)
    started_at = parts.clock()
    boot(gpus, parts, failed="driver", steps={"kernel": 4})
    gpus.queues.clear()
    if not is_told:
        gpus.reports.texts.clear()
    reconcile(reconciler, parts, minutes=20)
    record = InstanceRecord.read("i-1")
    assert (record.reported_start, record.boot_failed) == (started_at, True)
    assert record.boot_steps == ({"pending": 8.0, "kernel": 4} if is_told else None)


def test_a_boot_that_fails_by_its_warm_up_after_its_report_counts_as_failed(
    gpus: Gpus, parts: Parts
) -> None:
    InstanceRecord("i-1").started(now=parts.clock())
    record = InstanceRecord.read("i-1")
    boots.failed(record, "CUDA error", now=parts.clock())
    assert boots.note_report(InstanceRecord.read("i-1"), {"kernel": 4.0})
    assert InstanceRecord.read("i-1").boot_failed


def test_a_report_shows_the_hold_the_queue_and_the_budget(gpus: Gpus, parts: Parts) -> None:
    parts.budget = Budget(2.5, (), parts.clock)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    answer = report(gpus, parts)
    assert (answer.waiting_jobs, answer.held_until, answer.budget) == (0, None, 2.5)
    enqueue("a", now=parts.clock())
    queue.count(1)
    parts.gpu_power.stop(at_once=False, for_seconds=600)
    answer = report(gpus, parts)
    assert (answer.waiting_jobs, answer.held_until) == (1, parts.clock() + 600)


def test_a_budget_that_is_used_up_ends_in_the_past_until_it_is_raised(
    gpus: Gpus, parts: Parts
) -> None:
    parts.budget = Budget(0.0001, (), parts.clock)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    ended_at = report(gpus, parts).budget_ends_at
    assert ended_at is not None
    assert ended_at <= parts.clock()
    parts.budget = Budget(5, (), parts.clock)
    assert report(gpus, parts).budget_ends_at is None
    parts.budget = Budget(0.0001, (), parts.clock)
    parts.clock.now = day_end(parts.clock()) + 1
    assert report(gpus, parts).budget_ends_at is None


@pytest.mark.parametrize("jobs", [0, 40])
def test_a_report_takes_four_reads_at_once_however_many_jobs_wait_and_writes_nothing(
    aws: None, jobs: int
) -> None:
    gpus, clock = Gpus("i-1", "i-2"), VirtualClock()
    parts = Parts(clock=clock, ec2=gpus)
    reconciler_of(gpus, parts).reconcile()
    for number in range(jobs):
        enqueue(f"a{number}", now=clock())
    before, asked, together = items(), gpus.asked, Counting()
    with VirtualDynamoDB(clock, call_seconds=0.005) as dynamodb:
        answer = report(gpus, parts, together)
    assert len(answer.instances) == 2
    assert dynamodb.calls == {"Scan": 1, "Query": 1, "GetItem": 2}
    assert (together.sizes, gpus.asked) == ([4], asked)
    assert items() == before


def test_ec2_is_asked_while_there_is_no_record(gpus: Gpus, parts: Parts) -> None:
    gpus.kept = {"i-1"}
    [known] = report(gpus, parts).instances
    assert known.description == ("g5.xlarge", None, True)
    assert (known.state, known.stop) == ("booting", None)
    assert items() == []


@pytest.mark.parametrize("answers", [True, False])
def test_a_comfyui_at_a_fixed_address_has_no_cost_and_no_stop(
    parts: Parts,
    answers: bool,  # noqa: FBT001
) -> None:
    gpus = Gpus("static", can_be_started=False)
    if not answers:
        gpus.queues.clear()
    reconcile(reconciler_of(gpus, parts), parts, minutes=2)
    answer = report(gpus, parts, has_instances=False)
    [known] = answer.instances
    assert known.state == ("ready" if answers else "unavailable")
    assert (known.booked, known.stop, answer.cost) == (None, None, None)
