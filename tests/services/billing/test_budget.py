"""The daily budget: what counts as spent, and what happens when it is used up."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.days import DAY_SECONDS, day_start
from chalicelib.errors import BudgetExhausted
from chalicelib.models.catalogs import budget_mark
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.models.usage import DayUsage
from chalicelib.services.billing.budget import Budget
from chalicelib.services.reconciler import Reconciler
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile, reconciler_of
from tests.services.workers import accept_jobs, acquire_slot, request_expiring_in

HOUR = 1.006  # dollars for an hour of a g5.xlarge
Start = Callable[..., tuple[Reconciler, Parts, Gpus]]


@pytest.fixture
def start(aws: None) -> Start:
    """Makes a reconciler and instances that are on from the start of a day."""

    def begin(dollars: float | None, gpus: int = 1) -> tuple[Reconciler, Parts, Gpus]:
        region = Gpus(*[f"i-{number}" for number in range(1, gpus + 1)])
        parts = Parts(dollars=dollars, ec2=region)
        parts.clock.now = day_start(parts.clock.now)
        for name in region.states:
            work_on(name, parts.clock())
        return reconciler_of(region, parts), parts, region

    return begin


def work_on(name: str, now: float) -> None:
    """Give an instance a job that takes days, so that it is not stopped as idle."""
    known: dict[str, Any] = {"parameters": {}, "lease": "a driver", "due_at": now + 3 * DAY_SECONDS}
    Job.new(f"job of {name}", now=now, **known).save()
    acquire_slot(f"job of {name}", name)


def booked(parts: Parts) -> float:
    return DayUsage.on(datetime.fromtimestamp(parts.clock(), UTC).date()).cost


def test_every_instance_record_has_the_time_when_the_budget_is_used_up(start: Start) -> None:
    reconciler, parts, _ = start(HOUR, gpus=2)
    began = parts.clock()
    reconcile(reconciler, parts, minutes=3)
    ends = [float(each.budget_ends_at or 0) for each in InstanceRecord.all()]
    # Two use up an hour's price in half an hour; a minute is left for the reconciler to stop them.
    assert ends == pytest.approx([began + 1800 - 60] * 2, abs=1)


def test_no_job_gets_a_slot_from_the_end_of_the_budget_to_the_end_of_the_day(start: Start) -> None:
    reconciler, parts, _ = start(HOUR)
    reconcile(reconciler, parts, minutes=1)
    record = InstanceRecord.read("i-1")
    ends_at, next_day = float(record.budget_ends_at or 0), parts.clock() // 86_400 * 86_400 + 86_400
    assert record.acquire_slot("a", now=ends_at - 1)
    assert record.acquire_slot("a", now=ends_at + 1), "the job has a slot already"
    record.release_slot("a")
    assert not record.acquire_slot("b", now=ends_at)
    assert not record.acquire_slot("b", now=next_day - 1)
    assert record.acquire_slot("b", now=next_day)


def test_an_instance_with_jobs_is_stopped_when_they_have_ended(start: Start) -> None:
    reconciler, parts, gpus = start(HOUR)
    reconcile(reconciler, parts, minutes=62)
    assert gpus.stopped == []
    InstanceRecord("i-1").release_slot("job of i-1")
    reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == ["i-1"]
    mark = budget_mark.read()
    assert mark
    assert mark.is_exhausted(HOUR, parts.clock())


def test_a_kept_instance_gets_no_jobs_and_stays_on_when_the_budget_is_used_up(start: Start) -> None:
    reconciler, parts, gpus = start(0.1)
    gpus.kept.add("i-1")
    InstanceRecord("i-1").release_slot("job of i-1")
    reconcile(reconciler, parts, minutes=10)
    assert gpus.stopped == []
    assert not InstanceRecord.read("i-1").acquire_slot("a", now=parts.clock())


def test_a_used_up_budget_stays_used_up_when_instances_stop(start: Start) -> None:
    reconciler, parts, gpus = start(HOUR, gpus=2)
    reconcile(reconciler, parts, minutes=31)
    for name in gpus.states:
        InstanceRecord(name).release_slot(f"job of {name}")
    reconcile(reconciler, parts, minutes=3)
    assert gpus.stopped == ["i-1", "i-2"]
    assert booked(parts) < 1.05 * HOUR
    with pytest.raises(BudgetExhausted):
        parts.submit(wait_seconds=0)


def test_the_next_day_has_its_own_budget(start: Start) -> None:
    reconciler, parts, _ = start(HOUR)
    reconcile(reconciler, parts, minutes=61)
    InstanceRecord("i-1").release_slot("job of i-1")
    reconcile(reconciler, parts, minutes=1)
    parts.clock.now = day_start(parts.clock.now) + DAY_SECONDS
    assert len(accept_jobs(parts)) == 1
    assert InstanceRecord.read("i-1").acquire_slot("a", now=parts.clock())


def test_no_gpu_is_started_for_jobs_in_the_queue_until_the_next_day(start: Start) -> None:
    reconciler, parts, gpus = start(HOUR)
    ids = accept_jobs(parts, 2, request=request_expiring_in(604_800))
    reconcile(reconciler, parts, minutes=61)
    InstanceRecord("i-1").release_slot("job of i-1")
    reconcile(reconciler, parts, minutes=1)
    assert gpus.stopped == ["i-1"]
    parts.queue.take()
    reconcile(reconciler, parts, minutes=5)
    assert (parts.queue.take(), gpus.started) == ([], [])
    waits = parts.waits().of([Job.find(each) for each in ids])
    assert {each.reason for each in waits.values()} == {parts.budget.reason}
    parts.clock.now = day_start(parts.clock.now) + DAY_SECONDS
    reconcile(reconciler, parts, minutes=1)
    assert gpus.started == ["i-1"]
    assert ("i-1", 0) in parts.queue.take()


def test_the_budget_metric_is_the_percentage_that_is_spent(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    reconciler, parts, _ = start(HOUR)
    reconcile(reconciler, parts, minutes=49)
    percents = [each.BudgetPercent for each in caplog.records if hasattr(each, "BudgetPercent")]
    assert percents == sorted(percents)
    assert percents[-1] == pytest.approx(80, abs=2)


def test_without_a_budget_no_metric_is_emitted_and_nothing_stops(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    reconciler, parts, gpus = start(None)
    reconcile(reconciler, parts, minutes=90)
    assert not [each for each in caplog.records if hasattr(each, "BudgetPercent")]
    assert (gpus.stopped, budget_mark.read()) == ([], None)


def test_a_past_budget_end_of_a_stopped_instance_does_not_keep_jobs_waiting(start: Start) -> None:
    """The budget end of the stopped instance is past; the other instance has budget left."""
    reconciler, parts, gpus = start(HOUR, gpus=2)
    reconcile(reconciler, parts, minutes=2)
    InstanceRecord("i-2").release_slot("job of i-2")
    gpus.turn_off("i-2")
    InstanceRecord("i-2").set_budget_end(parts.clock())
    [waiting] = accept_jobs(parts, request=request_expiring_in(604_800))
    parts.queue.take()
    parts.clock.advance(10)
    parts.demand.repair()
    assert parts.queue.take() == [("i-1", 0)]
    parts.queue_snapshots.refresh()
    [wait] = parts.waits().of([Job.find(waiting)]).values()
    assert (wait.status, wait.reason) == ("queued", "waiting for a free slot")


def test_an_instance_that_is_off_has_no_budget_end(start: Start) -> None:
    reconciler, parts, gpus = start(HOUR)
    reconcile(reconciler, parts, minutes=1)
    InstanceRecord("i-1").release_slot("job of i-1")
    gpus.turn_off("i-1")
    reconcile(reconciler, parts, minutes=1)
    assert InstanceRecord.read("i-1").budget_ends_at is None


def test_a_budget_used_up_just_before_midnight_is_recorded_for_that_day(start: Start) -> None:
    """Midnight passes between two readings of the clock."""
    _, parts, _ = start(0.01)
    midnight = day_start(parts.clock.now) + DAY_SECONDS
    times = iter([midnight - 0.01, midnight + 0.01, midnight + 0.02])
    budget = Budget(0.01, (), lambda: next(times))
    assert budget.affordable([], [stopped("i-9")], 1) == 0
    days = [datetime.fromtimestamp(each, UTC).date() for each in (midnight - 1, midnight + 1)]
    assert [DayUsage.on(day).exhausted_budget for day in days] == [0.01, None]


def test_the_record_of_a_used_up_budget_is_not_overwritten(start: Start) -> None:
    _, parts, _ = start(0.01)
    today = datetime.fromtimestamp(parts.clock(), UTC).date()
    DayUsage.on(today).exhaust(0.02)  # by a function whose budget was larger
    assert parts.budget.affordable([], [stopped("i-9")], 1) == 0
    assert DayUsage.on(today).exhausted_budget == pytest.approx(0.02)


def test_the_budget_must_pay_for_the_boot_of_the_dearest_instance(start: Start) -> None:
    """The starter goes on to the next instance if EC2 has no capacity for the first."""
    _, _, _ = start(None)
    cheap, dear = stopped("i-1", "g4dn.xlarge"), stopped("i-2", "p3.2xlarge")
    budget = Budget(0.1, (), lambda: 1_800_000_000.0)  # pays 180 s of the cheap one only
    assert budget.affordable([], [cheap], 1) == 1
    assert budget.affordable([], [cheap, dear], 1) == 0


def test_a_long_first_boot_does_not_make_the_next_start_unaffordable(start: Start) -> None:
    _, _, _ = start(None)
    budget = Budget(0.2, (), lambda: 1_800_000_000.0)
    assert budget.affordable([], [stopped("i-1", boot_seconds=1500)], 1) == 1


def test_the_budget_metric_stays_at_100_percent_after_the_last_instance_stops(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    reconciler, parts, gpus = start(HOUR)
    reconcile(reconciler, parts, minutes=60)
    InstanceRecord("i-1").release_slot("job of i-1")
    gpus.turn_off("i-1")
    reconcile(reconciler, parts, minutes=1)
    caplog.clear()
    reconcile(reconciler, parts, minutes=1)
    percents = [each.BudgetPercent for each in caplog.records if hasattr(each, "BudgetPercent")]
    assert percents
    assert min(percents) >= 100


def test_an_instance_that_boots_when_the_budget_ends_has_no_failed_boot(start: Start) -> None:
    reconciler, parts, gpus = start(0.02)
    InstanceRecord("i-1").release_slot("job of i-1")
    gpus.queues.clear()  # ComfyUI does not answer yet
    reconcile(reconciler, parts, minutes=5)
    assert gpus.stopped == ["i-1"]
    assert InstanceRecord.read("i-1").failed_boots == 0


def test_time_without_a_reconciler_is_booked_for_instances_that_were_on(start: Start) -> None:
    reconciler, parts, gpus = start(HOUR)
    gpus.launched = dict.fromkeys(gpus.states, parts.clock())
    reconcile(reconciler, parts, minutes=2)
    parts.clock.advance(2000)
    reconcile(reconciler, parts, minutes=1)
    assert booked(parts) == pytest.approx(2120 * HOUR / 3600, rel=0.01)


def stopped(name: str, type_: str = "g5.xlarge", boot_seconds: float | None = None) -> Any:
    record = InstanceRecord(name, boot_seconds=boot_seconds)
    return SimpleNamespace(is_on=False, instance=SimpleNamespace(type=type_), record=record)
