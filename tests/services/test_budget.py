"""The daily budget: what counts as spent, and what becomes of instances and jobs without it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.errors import BudgetExhausted, OutOfBudget
from chalicelib.models import budget_mark
from chalicelib.models.day_usage import DayUsage
from chalicelib.models.instance import InstanceRecord
from chalicelib.models.job import Job
from chalicelib.services.budget import DAY_SECONDS, day_start
from chalicelib.services.keeping import Keeper
from tests.services.fakes import Parts
from tests.services.gpus import late, take_seat, waiting_for, work_all
from tests.services.keepers import Gpus, keep, keeper_of

HOUR = 1.006  # dollars of a g5.xlarge
Start = Callable[..., tuple[Keeper, Parts, Gpus]]


@pytest.fixture
def start(aws: None) -> Start:
    """A keeper and instances that are on since now, at the beginning of a day."""

    def begin(dollars: float | None, gpus: int = 1) -> tuple[Keeper, Parts, Gpus]:
        parts = Parts(dollars=dollars)
        parts.clock.now = day_start(parts.clock.now)
        region = Gpus(*[f"i-{number}" for number in range(1, gpus + 1)])
        for name in region.states:
            work_on(name, parts.clock())
        return keeper_of(region, parts), parts, region

    return begin


def work_on(name: str, now: float) -> None:
    """Have an instance work on a job that takes days, or it would be stopped as idle."""
    known: dict[str, Any] = {"parameters": {}, "lease": "a driver", "due_at": now + 3 * DAY_SECONDS}
    Job.new(f"job of {name}", now=now, **known).save()
    take_seat(f"job of {name}", name)


def booked(parts: Parts) -> float:
    return DayUsage.on(datetime.fromtimestamp(parts.clock(), UTC).date()).cost


def test_every_instance_knows_when_the_budget_is_used_up(start: Start) -> None:
    keeper, parts, _ = start(HOUR, gpus=2)
    began = parts.clock()
    keep(keeper, parts, minutes=3)
    ends = [float(each.budget_ends_at or 0) for each in InstanceRecord.all()]
    # Two together need half of the hour, less the minute until they are stopped.
    assert ends == pytest.approx([began + 1800 - 60] * 2, abs=1)


def test_no_job_has_a_seat_from_then_until_the_day_ends(start: Start) -> None:
    keeper, parts, _ = start(HOUR)
    keep(keeper, parts, minutes=1)
    record = InstanceRecord.read("i-1")
    ends_at, next_day = float(record.budget_ends_at or 0), parts.clock() // 86_400 * 86_400 + 86_400
    assert record.seat("a", now=ends_at - 1)
    assert record.seat("a", now=ends_at + 1), "it has one already"
    assert not record.seat("b", now=ends_at)
    assert not record.seat("b", now=next_day - 1)
    assert record.seat("b", now=next_day)


def test_an_instance_with_jobs_ends_them_and_is_stopped_then(start: Start) -> None:
    keeper, parts, gpus = start(HOUR)
    keep(keeper, parts, minutes=62)
    assert gpus.stopped == []
    InstanceRecord("i-1").unseat("job of i-1")
    keep(keeper, parts, minutes=1)
    assert gpus.stopped == ["i-1"]
    mark = budget_mark.read()
    assert mark
    assert mark.is_exhausted(HOUR, parts.clock())


def test_an_instance_that_is_kept_has_no_jobs_and_stays_on(start: Start) -> None:
    keeper, parts, gpus = start(0.1)
    gpus.kept.add("i-1")
    InstanceRecord("i-1").unseat("job of i-1")
    keep(keeper, parts, minutes=10)
    assert gpus.stopped == []
    assert not InstanceRecord.read("i-1").seat("a", now=parts.clock())


def test_a_budget_that_is_used_up_stays_so_though_an_instance_stops(start: Start) -> None:
    keeper, parts, gpus = start(HOUR, gpus=2)
    keep(keeper, parts, minutes=31)
    for name in gpus.states:
        InstanceRecord(name).unseat(f"job of {name}")
    keep(keeper, parts, minutes=3)
    assert gpus.stopped == ["i-1", "i-2"]
    assert booked(parts) < 1.05 * HOUR
    with pytest.raises(BudgetExhausted):
        parts.submit(wait_seconds=0)


def test_the_next_day_has_a_budget_of_its_own(start: Start) -> None:
    keeper, parts, _ = start(HOUR)
    keep(keeper, parts, minutes=61)
    InstanceRecord("i-1").unseat("job of i-1")
    keep(keeper, parts, minutes=1)
    parts.clock.now = day_start(parts.clock.now) + DAY_SECONDS
    assert len(late(parts)) == 1
    assert InstanceRecord.read("i-1").seat("a", now=parts.clock())


def test_jobs_wait_in_the_line_and_nobody_is_called_until_the_next_day(start: Start) -> None:
    keeper, parts, _ = start(HOUR)
    ids = late(parts, 2, request=waiting_for(604_800))
    keep(keeper, parts, minutes=61)
    parts.fleet.refusal = OutOfBudget(parts.budget.reason)
    assert work_all(parts, ids) == ["queued", "queued"]
    assert {Job.find(each).status_reason for each in ids} == {parts.budget.reason}
    sent = len(parts.queue.sent)
    keep(keeper, parts, minutes=5)
    assert len(parts.queue.sent) == sent
    parts.clock.now = day_start(parts.clock.now) + DAY_SECONDS
    keep(keeper, parts, minutes=1)
    assert {job_id for job_id, _ in parts.queue.sent[sent:]} & {*ids}


def test_the_metric_of_the_alarm_tells_how_much_is_spent(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, parts, _ = start(HOUR)
    keep(keeper, parts, minutes=49)
    told = [each.BudgetPercent for each in caplog.records if hasattr(each, "BudgetPercent")]
    assert told == sorted(told)
    assert told[-1] == pytest.approx(80, abs=2)


def test_without_a_budget_nothing_is_told(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    keeper, parts, gpus = start(None)
    keep(keeper, parts, minutes=200)
    assert not [each for each in caplog.records if hasattr(each, "BudgetPercent")]
    assert (gpus.stopped, budget_mark.read()) == ([], None)
