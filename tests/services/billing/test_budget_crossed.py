"""A budget that many callers use up on several GPUs: spending above it is bounded."""

from collections import Counter
from functools import partial

import pytest

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS, day_start
from chalicelib.errors import BudgetExhausted
from chalicelib.models.jobs.job import Job
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.services.billing.prices import cost_of
from chalicelib.services.jobs.submit import Order
from tests.conftest import empty_aws
from tests.services.fakes import submit
from tests.virtual.accepting import asleep_on
from tests.virtual.clock import VirtualClock
from tests.virtual.dispatch import BOOT_SECONDS
from tests.virtual.dynamodb import VirtualDynamoDB
from tests.virtual.region import PaidWorld

GPUS, CALLERS, RUN_SECONDS = 4, 40, 20.0
TYPE, DOLLARS = "p3.2xlarge", 1.0
MIDNIGHT_SECONDS, END_SECONDS = 480, 680


class Day:
    """Callers, workers and the reconciler, from eight minutes before midnight."""

    def __init__(self) -> None:
        start = day_start(1_800_000_000.0) + DAY_SECONDS - MIDNIGHT_SECONDS
        self.clock = VirtualClock(start)
        self.midnight = start + MIDNIGHT_SECONDS
        self.world = PaidWorld(
            GPUS, dollars=DOLLARS, type_=TYPE, clock=self.clock, image_seconds=RUN_SECONDS
        )
        self.accepted: list[str] = []
        self.refused_until: list[float] = []
        self.cost_at_midnight = 0.0
        self.statuses = Counter[str]()

    def run_to_end(self) -> None:
        """Run the callers, workers and the reconciler until the end."""
        with asleep_on(self.clock), VirtualDynamoDB(self.clock, call_seconds=0.005):
            for number in range(CALLERS):
                self.clock.spawn(partial(self._call, number))
            self.clock.spawn(self._record_midnight)
            self.world.run(END_SECONDS)

    def _call(self, number: int) -> None:
        """Request an image every minute until a request is refused."""
        services = self.world.function()
        self.clock.sleep(number / 10)
        try:
            while self.clock() < self.midnight:
                # One caller in ten waits for its images.
                until = self.clock() + 25 if number % 10 == 0 else 0
                order = Order(GenerateRequest(prompt="a fox"), until, "f", owner=f"owner {number}")
                self.accepted += [job.id for job in submit(services, order)]
                self.clock.sleep(60)
        except BudgetExhausted as refusal:
            self.refused_until.append(self.clock() + refusal.retry_seconds)

    def _record_midnight(self) -> None:
        self.clock.sleep(self.midnight - 1 - self.clock())
        self.cost_at_midnight = self.world.region.cost
        self.on_at_midnight = self.world.region.on
        self.statuses_at_midnight = Counter(Job.find(each).status for each in self.accepted)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    with empty_aws():
        day = Day()
        day.run_to_end()
        day.statuses = Counter(Job.find(each).status for each in day.accepted)
    return day


def test_spending_is_at_most_the_budget_plus_a_boot_and_the_executions_in_progress(
    day: Day,
) -> None:
    boot = cost_of(TYPE, BOOT_SECONDS) or 0
    under_way = cost_of(TYPE, GPUS * config.slots_per_gpu * RUN_SECONDS) or 0
    assert 0.8 * DOLLARS < day.cost_at_midnight <= DOLLARS + boot + under_way


def test_every_gpu_is_off_when_the_budget_is_used_up(day: Day) -> None:
    assert day.on_at_midnight == []


def test_requests_are_refused_until_midnight_when_the_budget_is_used_up(day: Day) -> None:
    assert day.refused_until == pytest.approx([day.midnight] * CALLERS, abs=2)


def test_jobs_that_the_budget_does_not_cover_wait_for_the_next_day_and_succeed(day: Day) -> None:
    assert set(day.statuses_at_midnight) == {"queued", "succeeded"}
    assert day.statuses["succeeded"] > day.statuses_at_midnight["succeeded"]
