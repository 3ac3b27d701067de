"""The world with schedules: EventBridge Scheduler, its queues, and calls of the API on them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.errors import DarkroomError
from chalicelib.gateways.scheduler import Route, Scheduler
from chalicelib.models.keys.api_key import GENERATE, ApiKey
from chalicelib.models.schedules.run import key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.schemas.schedules import ScheduledRequest, ScheduleRequest
from chalicelib.services.schedules.making import Repeat
from chalicelib.services.schedules.schedules import Author
from tests.faults.eventbridge import Eventbridge
from tests.faults.run_queues import RunMessage, RunQueue, UndeliveredQueue
from tests.faults.scheduler import Process
from tests.faults.world import API_SECONDS, RECONCILER_SECONDS, World
from tests.models.allowances import PLENTY, allowance_of

OWNER = "owner"  # and the id of its only key
_RUNS_SECONDS = 60  # Lambda's timeout: .chalice/config.json

Change = Callable[[Services], object]


@dataclass(frozen=True)
class Plan:
    """What a caller writes as a schedule; "at 3" is in 3 minutes, as is an end of 3."""

    expression: str
    window: int = 2
    count: int = 1
    end: int | None = None
    overlap: str = "allow"
    most_failures: int | None = None

    def without_end(self) -> "Plan":
        """Return it without an end if it has one anyway."""
        return replace(self, end=None) if self.expression.startswith("at") else self

    def body(self, now: float) -> ScheduleRequest:
        """Return the body of the request at a time."""
        expression = self.expression
        if expression.startswith("at "):
            at = _in_minutes(now, int(expression.removeprefix("at ")))
            expression = f"at({at:%Y-%m-%dT%H:%M:%S})"
        post = {"post_id": "p", "count": self.count} if self.count > 1 else {}
        return ScheduleRequest(
            name="card",
            expression=expression,
            request=ScheduledRequest(prompt="card {run}", **post),
            missed_window_minutes=self.window,
            end_at=_in_minutes(now, self.end) if self.end else None,
            overlap=self.overlap,  # type: ignore[arg-type]
            pause_after_failures=self.most_failures,
        )


class NoReports:
    """The reports of instances that send none."""

    def read(self, _: str) -> bytes | None:
        return None


class ScheduleWorld(World):
    """A world in which one owner has schedules."""

    services = Services

    def __init__(self, hosts: int = 1) -> None:
        super().__init__(hosts)
        self.runs = RunQueue(self.scheduler)
        self.undelivered = UndeliveredQueue(self.scheduler)
        self.eventbridge = Eventbridge(self.scheduler, self.runs.take)
        self.scheduler.on_tick.append(self.eventbridge.tick)
        self.handles: dict[str, RunMessage] = {}  # by the name of the process
        self.most_images = 4
        self.is_count_exact = True
        self.created: dict[str, set[str]] = {}  # ids, by Idempotency-Key

    def gateways(self) -> Any:
        known = super().gateways()
        known.scheduler = Scheduler(self.eventbridge, Route("group", "role", "runs", "undelivered"))
        known.undelivered_runs = self.undelivered
        known.boot_reports = NoReports()
        return known

    def limit_of(self, owner: str) -> int:
        return self.most_images

    def store_key(self) -> None:
        """Store the owner's key."""
        ApiKey(
            OWNER,
            secret_hash="",
            name=OWNER,
            owner=OWNER,
            scopes=[GENERATE],
            requests_per_minute=PLENTY,
            images_per_day=self.most_images,
            megapixel_steps_per_day=PLENTY,
            created_at=0,
        ).save()

    @property
    def author(self) -> Author:
        return Author(OWNER, OWNER, allowance_of(OWNER, self.most_images))

    def deliver_run(self, message: RunMessage) -> Process:
        """Have the runs function handle a message."""
        self.runs.receive(message)

        def acknowledge(process: Process) -> None:
            if process.error is None:
                self.runs.acknowledge(message)

        name = f"run {message.schedule_id[-2:]} {key_of(message.at)}"
        process = self._spawn(
            name, lambda each: each.runs.deliver(message.delivery), _RUNS_SECONDS, acknowledge
        )
        self.handles[process.name] = message
        return process

    def look(self) -> Process:
        """Have the reconciler do its steps for schedules; those for jobs take most of its calls."""
        return self._spawn("reconciler of schedules", _look, RECONCILER_SECONDS)

    def deliver_all(self) -> None:
        super().deliver_all()
        for message in self.runs.visible():
            self.deliver_run(message)

    def next_message_at(self) -> float:
        runs = (each.visible_at for each in self.runs.messages)
        return min([super().next_message_at(), self.eventbridge.next_at(), *runs])

    def create(self, plan: Plan, key: str | None = None) -> Process:
        body, repeat = plan.body(self.scheduler.now), Repeat(key, f"{plan}")

        def note(schedule: Schedule) -> None:
            if key:
                self.created.setdefault(f"{key} {plan}", set()).add(schedule.id)

        return self._api(
            f"create {plan.expression}",
            lambda each: each.schedules.create(body, self.author, repeat),
            note,
        )

    def replace(self, schedule_id: str, plan: Plan) -> Process:
        body = plan.body(self.scheduler.now)
        return self._api(
            f"replace {schedule_id[-2:]} {plan.expression}",
            lambda each: each.schedules.replace(schedule_id, body, self.author, owner=OWNER),
        )

    def pause(self, schedule_id: str) -> Process:
        return self._api(
            f"pause {schedule_id[-2:]}",
            lambda each: each.schedules.pause(schedule_id, None, owner=OWNER),
        )

    def resume(self, schedule_id: str) -> Process:
        return self._api(
            f"resume {schedule_id[-2:]}",
            lambda each: each.schedules.resume(schedule_id, owner=OWNER),
        )

    def delete(self, schedule_id: str) -> Process:
        return self._api(
            f"delete {schedule_id[-2:]}",
            lambda each: each.schedules.delete(schedule_id, owner=OWNER),
        )

    def run(self, schedule_id: str, at: float | None = None, key: str | None = None) -> Process:
        """Ask for a run now, or make up the one of a time that was missed."""
        what = "run now" if at is None else "make up"
        repeat = Repeat(key, schedule_id)
        return self._api(
            f"{what} {schedule_id[-2:]}",
            lambda each: each.run_requests.make(schedule_id, at, owner=OWNER, repeat=repeat),
            lambda run: self.answers.append((key, list(run.job_ids))),
        )

    def undeliver(self, message: RunMessage) -> None:
        """Have AWS give a message up that it cannot deliver."""
        self.runs.remove(message, "undelivered")
        self.undelivered.put(message)

    def _api(
        self, name: str, change: Change, note: Callable[[Any], object] = lambda answer: None
    ) -> Process:
        def answered(process: Process) -> None:
            is_answered = isinstance(process.error, DarkroomError | None)
            self.is_count_exact &= not process.had_fault and is_answered
            if process.error is None:
                note(process.answer)

        return self._spawn(f"api {name}", change, API_SECONDS, answered)


def _look(services: Services) -> None:
    watch, comparison = services.schedule_watch, services.daily_comparison
    failed: Exception | None = None
    for step in (watch.look, watch.read_undelivered, comparison.compare_daily):
        try:
            step()
        except Exception as error:  # noqa: BLE001 - as in the reconciler
            failed = error
    if failed:
        raise failed


def _in_minutes(now: float, minutes: int) -> datetime:
    """Return the whole minute that begins some minutes from a time."""
    return datetime.fromtimestamp(now // 60 * 60, UTC) + timedelta(minutes=minutes)
