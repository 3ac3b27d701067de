"""What administrators read about each instance: above all, when and why it will be stopped."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.api.instance_resource import instance_list
from chalicelib.days import day_end
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.models.jobs import queue
from chalicelib.schemas.answers.gpus import Instance, InstanceList
from chalicelib.schemas.times import timestamp
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.instances import Instances
from tests.conftest import empty_aws
from tests.gateways.region import fleet_of, in_order
from tests.models.queueing import enqueue
from tests.services.fakes import Parts
from tests.services.reconcilers import LIMITS, Gpus, reconcile, reconciler_of
from tests.services.workers import acquire_slot

ROUND = 60
Change = Callable[[Gpus, Parts], None]


def listed(gpus: Gpus, parts: Parts, *, has_instances: bool = True) -> InstanceList:
    """Return the list as another function than the reconciler's reads it."""
    inventory = fleet_of(gpus, clock=parts.clock).inventory
    instances = Instances(
        inventory, parts.budget, LIMITS, in_order, parts.clock, has_instances=has_instances
    )
    return instance_list(instances.report())


def shown(gpus: Gpus, parts: Parts, instance_id: str = "i-1") -> Instance:
    [found] = [each for each in listed(gpus, parts).instances if each.id == instance_id]
    return found


def seconds_to_stop(gpus: Gpus, parts: Parts, instance_id: str = "i-1") -> float:
    """Return in how many seconds the instance is stopped, as it is shown; 0 if that is due."""
    known = shown(gpus, parts, instance_id)
    assert known.stops_at, known
    return max(datetime.fromisoformat(known.stops_at).timestamp() - parts.clock(), 0)


def update(instance_id: str = "i-1", **to: Any) -> None:
    InstanceRecord(instance_id).update(
        [getattr(InstanceRecord, name).set(value) for name, value in to.items()]
    )


def on_since(seconds: float) -> Change:
    return lambda gpus, parts: update(on_since=parts.clock() - seconds)


def is_idle(gpus: Gpus, parts: Parts) -> None:
    """Change nothing."""


def has_just_served(gpus: Gpus, parts: Parts) -> None:
    acquire_slot("01J")
    InstanceRecord("i-1").release_slot("01J", now=parts.clock() - 20)


def boots_for_ever(gpus: Gpus, parts: Parts) -> None:
    gpus.queues.clear()
    gone = (InstanceRecord.ready_at, InstanceRecord.unreachable_since)
    InstanceRecord("i-1").update([each.remove() for each in gone])
    InstanceRecord("i-1").started(now=parts.clock() - 1)


def is_silent(gpus: Gpus, parts: Parts) -> None:
    gpus.queues.clear()
    InstanceRecord.read("i-1").become_unreachable(now=parts.clock())


def is_broken(gpus: Gpus, parts: Parts) -> None:
    gpus.fall_unhealthy("i-1", now=parts.clock())
    acquire_slot("01J")


def has_failed_to_boot(gpus: Gpus, parts: Parts) -> None:
    boots_for_ever(gpus, parts)
    update(unhealthy_reason="the NVIDIA driver did not work")


def is_to_stop(gpus: Gpus, parts: Parts) -> None:
    update(stop_requested_at=parts.clock() - 5)


def is_held(gpus: Gpus, parts: Parts) -> None:
    StartSeries().hold(until=parts.clock() + 3600)


def is_over_age_with_a_job(gpus: Gpus, parts: Parts) -> None:
    update(on_since=parts.clock() - LIMITS.max_on_seconds - 100)
    acquire_slot("01J")


def drains(gpus: Gpus, parts: Parts) -> None:
    InstanceRecord("i-1").drain(until=parts.clock() + 900)


REASONS: dict[str, tuple[Change, str]] = {
    "idle": (is_idle, "It has been idle for 60 s; the limit is 300 s"),
    "just served": (has_just_served, "It has been idle for 20 s; the limit is 300 s"),
    "on for too long": (
        on_since(LIMITS.max_on_seconds - 100),
        "It has been on for 43100 s; the limit is 43200 s",
    ),
    "on for too long, with a job": (
        is_over_age_with_a_job,
        "It has been on for 43300 s; the limit is 43200 s; it makes 1 job until then, at most",
    ),
    "boot": (boots_for_ever, "It has been starting for 0 s; the limit is 900 s"),
    "silent": (is_silent, "Its ComfyUI has not answered for 0 s; the limit is 120 s"),
    "broken": (is_broken, "Its ComfyUI has been unhealthy for 0 s; the limit is 30 s"),
    "failed boot": (has_failed_to_boot, "Its boot has failed: the NVIDIA driver did not work"),
    "requested": (is_to_stop, "An administrator requested the stop"),
    "held": (is_held, "An administrator requested the stop"),
    "draining": (drains, "It takes no more jobs, as it is about to stop"),
}


@pytest.fixture
def gpus() -> Gpus:
    return Gpus("i-1")


@pytest.fixture
def parts(aws: None, gpus: Gpus) -> Parts:
    return Parts(ec2=gpus)


def rounds_until(gpus: Gpus, parts: Parts, seconds: float) -> list[bool]:
    """Return after each round of the reconciler whether it has stopped an instance.

    There are rounds every minute, the last one when the seconds have passed.
    """
    start, end = parts.clock(), parts.clock() + seconds
    reconciler, stopped = reconciler_of(gpus, parts), []
    first = start + seconds % ROUND
    for number in range(int((end - first) // ROUND) + 1):
        parts.clock.now = first + number * ROUND
        reconciler.reconcile()
        stopped.append(bool(gpus.stopped))
    return stopped


@pytest.mark.parametrize("name", REASONS)
def test_the_reconciler_stops_an_instance_when_that_is_foreseen_and_no_round_earlier(
    name: str, gpus: Gpus, parts: Parts
) -> None:
    change, text = REASONS[name]
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    change(gpus, parts)
    assert shown(gpus, parts).stop_reason == text
    *earlier, last = rounds_until(gpus, parts, seconds_to_stop(gpus, parts))
    assert (set(earlier) <= {False}, last) == (True, True)


def test_a_job_puts_a_stop_off_whose_time_is_then_not_known(gpus: Gpus, parts: Parts) -> None:
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=1)
    for number in (1, 2):
        acquire_slot(f"01J{number}")
    is_to_stop(gpus, parts)
    known = shown(gpus, parts)
    text = "An administrator requested the stop; it makes 2 jobs first"
    assert (known.stops_at, known.stop_reason) == (None, text)
    reconcile(reconciler, parts, minutes=5)
    assert gpus.stopped == []
    for number in (1, 2):
        InstanceRecord("i-1").release_slot(f"01J{number}")
    assert seconds_to_stop(gpus, parts) == 0
    reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == ["i-1"]


def test_an_unhealthy_instance_is_stopped_though_its_jobs_do_not_end(
    gpus: Gpus, parts: Parts
) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    is_broken(gpus, parts)
    is_to_stop(gpus, parts)
    assert seconds_to_stop(gpus, parts) == 30
    assert rounds_until(gpus, parts, 30) == [True]


def test_a_busy_instance_is_stopped_at_its_age_and_a_job_may_go_on_for_its_deadline(
    gpus: Gpus, parts: Parts
) -> None:
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    acquire_slot("01J")
    on_since(LIMITS.max_on_seconds - 120)(gpus, parts)
    assert shown(gpus, parts).stops_at is None  # nobody knows when its job ends
    assert not any(rounds_until(gpus, parts, 120))
    assert seconds_to_stop(gpus, parts) == LIMITS.execution_deadline_seconds
    *earlier, last = rounds_until(gpus, parts, LIMITS.execution_deadline_seconds)
    assert (set(earlier), last) == ({False}, True)


@pytest.mark.parametrize("is_working", [False, True])
def test_an_instance_is_stopped_when_the_budget_is_used_up(
    gpus: Gpus,
    parts: Parts,
    is_working: bool,  # noqa: FBT001
) -> None:
    parts.clock.now = day_end(parts.clock()) + 3600
    parts.budget = Budget(1.006 / 30, (), parts.clock)  # for two minutes, one of them in reserve
    reconciler = reconciler_of(gpus, parts)
    reconciler.reconcile()
    if is_working:
        acquire_slot("01J")
    answer = listed(gpus, parts)
    [known] = answer.instances
    assert known.stops_at == answer.today.budget_ends_at
    text = "By then the daily budget of 0.0335333 dollars is used up until midnight UTC"
    assert known.stop_reason == text + ("; it makes 1 job first" if is_working else "")
    ends_in = seconds_to_stop(gpus, parts)
    assert ends_in == 60
    assert rounds_until(gpus, parts, ends_in) == [False, not is_working]
    if is_working:
        known = shown(gpus, parts)
        assert known.stops_at is None
        assert known.stop_reason == f"T{parts.budget.reason[1:]}; it makes 1 job first"


def test_an_instance_with_the_keep_tag_is_never_stopped(gpus: Gpus, parts: Parts) -> None:
    gpus.kept = {"i-1"}
    reconcile(reconciler_of(gpus, parts), parts, minutes=20)
    known = shown(gpus, parts)
    assert known.stops_at is None
    assert known.stop_reason == "It is tagged to be kept: Darkroom does not stop it"
    assert gpus.stopped == []


def test_an_instance_that_is_off_has_no_stop(gpus: Gpus, parts: Parts) -> None:
    gpus.turn_off("i-1")
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    known = shown(gpus, parts)
    assert (known.state, known.on_since) == ("stopped", None)
    assert (known.stops_at, known.stop_reason) == (None, None)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=4),
    st.booleans(),
)
def test_of_several_instances_those_are_stopped_that_are_foreseen_and_when(
    hosts: list[tuple[int, bool]],
    is_waiting: bool,  # noqa: FBT001
) -> None:
    """Each host was idle for some minutes, or is over its age."""
    with empty_aws():
        names = [f"i-{number}" for number, _ in enumerate(hosts)]
        gpus = Gpus(*names)
        parts = Parts(ec2=gpus)
        reconcile(reconciler_of(gpus, parts), parts, minutes=1)
        if is_waiting:
            enqueue("a", now=parts.clock())
            queue.count(1)
        for name, (minutes, is_old) in zip(names, hosts, strict=True):
            age = LIMITS.max_on_seconds if is_old else 3600
            times = {"used_at": parts.clock() - minutes * ROUND, "on_since": parts.clock() - age}
            update(name, **times)
        known = listed(gpus, parts).instances
        foreseen = {each.id: each.stops_at for each in known if each.stops_at}
        soon = parts.clock() + 10 * ROUND
        stopped, reconciler = dict[str, str](), reconciler_of(gpus, parts)
        while parts.clock() < soon:
            reconciler.reconcile()
            for name in set(gpus.stopped) - set(stopped):
                stopped[name] = timestamp(parts.clock())
            parts.clock.advance(ROUND)
        now = timestamp(soon - 10 * ROUND)
        due = {name: max(at, now) for name, at in foreseen.items() if at < timestamp(soon)}
        assert stopped == due
        stay = [each.stop_reason for each in known if not each.stops_at]
        assert all("but jobs need it" in str(text) for text in stay)
        assert len(stay) == int(is_waiting)
