"""What is true of each write to the tables of schedules and of runs."""

from datetime import datetime
from typing import Any

from chalicelib.config import config
from chalicelib.models.schedules.comparison import COMPARISON
from chalicelib.models.schedules.run import MADE, MISSED, Run
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import COMPLETED, DELETING, ENABLED
from tests.faults.run_world import ScheduleWorld
from tests.virtual.dynamodb import ask

_MINUTE = 60
_TABLES = {config.schedules_table, config.runs_table}

# A schedule and a scheduled time.
Key = tuple[str, str]


def time_of(run: Run) -> float:
    """Return the scheduled time of a run in seconds since the epoch."""
    return datetime.fromisoformat(run.scheduled_at).timestamp()


class History:
    """The schedules and runs after the last write; `wrong` says what was wrong with a write."""

    def __init__(self, world: ScheduleWorld) -> None:
        self._world = world
        self.schedules: dict[str, Schedule] = {}
        self.runs: dict[Key, Run] = {}
        self.wrong: list[str] = []
        self._writers: dict[str, str] = {}  # names of functions, by revision

    def after_write(self, operation: str, parameters: dict[str, Any]) -> None:
        """Compare the tables with what they were before a write."""
        if operation != "TransactWriteItems" and parameters["TableName"] not in _TABLES:
            return
        schedules, runs = self.schedules, self.runs
        self.schedules = {each.id: each for each in _scanned(Schedule, "expression")}
        self.runs = {_key(each): each for each in _scanned(Run, "status")}
        self._check(not runs.keys() - self.runs.keys(), "a run was deleted")
        for key, run in self.runs.items():
            before = runs.get(key)
            if before is None or before.attribute_values != run.attribute_values:
                self._check_change(run, before, schedules.get(key[0]))
        for schedule in self.schedules.values():
            self._check_number(schedule)
            self._check_write(schedules.get(schedule.id, schedule), schedule)
        stored = {each.id for each in _scanned(Schedule, "id")}
        parts = {each for each in stored - self.schedules.keys() if ":" not in each}
        self._check(parts <= {COMPARISON}, f"parts of schedules are stored: {parts}")

    def made(self, schedule_id: str) -> list[Run]:
        """Return the runs of a schedule that were made."""
        return [
            run for key, run in self.runs.items() if key[0] == schedule_id and run.status == MADE
        ]

    def _check_change(self, run: Run, before: Run | None, schedule: Schedule | None) -> None:
        """Check a new record, or one that was changed, against its schedule before the write."""
        name = f"{run.schedule_id} {run.scheduled_at}"
        self._check(before is None or before.status == MISSED, f"the record of {name} changed")
        if run.status != MADE:
            is_free = before is None or before.may_still_come
            self._check(is_free, f"the record of {name} changed to {run.status}")
            return
        self._check(schedule is not None, f"{name} was made without a schedule")
        if schedule is None:
            return
        self._check(schedule.state != DELETING, f"{name} was made after the deletion")
        self._check(run.number == schedule.number + 1, f"{name} has number {run.number}")
        if not run.is_manual:
            self._check_planned(run, before, schedule, name)

    def _check_write(self, old: Schedule, new: Schedule) -> None:
        """Check that one function at a time changes a schedule, and that runs only advance it."""
        is_deleted = old.state == DELETING and new.state != DELETING
        self._check(not is_deleted, f"{new.id} was deleted, and is {new.state}")
        running = self._world.scheduler.running
        function = running.group.main.name if running else ""
        writer = self._writers.setdefault(new.revision, function)
        if new.revision == old.revision:
            self._check_advanced(old, new)
        elif self._writers.get(old.revision) != writer:
            until, now = old.changed_until, self._world.scheduler.clock()
            self._check(until is None or until <= now, f"{new.id} has two writers at once")

    def _check_advanced(self, old: Schedule, new: Schedule) -> None:
        known, next_at = old.next_run_at, new.next_run_at
        goes_on = next_at is None or (known is not None and known <= next_at)
        self._check(goes_on, f"{new.id} expected {known}, and expects {next_at}")
        is_completed = (old.state, new.state) == (ENABLED, COMPLETED)
        self._check(is_completed or old.state == new.state, f"{new.id} is {new.state} again")

    def _check_planned(self, run: Run, before: Run | None, schedule: Schedule, name: str) -> None:
        process = self._world.scheduler.running
        message = self._world.handles.get(process.name) if process else None
        if message is None:
            self._check(before is not None, f"{name} was made up and was not missed")
            return
        is_free = before is None or before.may_still_come
        self._check(is_free, f"{name} was made though it had a record")
        self._check(message.at == time_of(run), f"{name} was made by the message of {message.at}")
        self._check(
            schedule.state in (ENABLED, COMPLETED), f"{name} was made while {schedule.state}"
        )
        self._check(
            time_of(run) >= schedule.written_at, f"{name} was made for a time before the write"
        )
        latest = message.at - message.at % _MINUTE + (1 + schedule.missed_window_minutes) * _MINUTE
        self._check(message.sent_at <= latest, f"{name} was made too late")

    def _check_number(self, schedule: Schedule) -> None:
        numbers = sorted(int(run.number) for run in self.made(schedule.id))
        wanted = list(range(1, int(schedule.number) + 1))
        self._check(numbers == wanted, f"the runs of {schedule.id} have numbers {numbers}")

    def _check(self, is_right: bool, message: str) -> None:  # noqa: FBT001
        if not is_right:
            self.wrong.append(message)


def _key(run: Run) -> Key:
    return str(run.schedule_id), str(run.scheduled_at)


def _scanned(kind: Any, attribute: str) -> list[Any]:
    """Return the items that have an attribute; no process stops for this."""
    items = ask("Scan", {"TableName": kind.Meta.table_name})["Items"]
    return [kind.from_raw_data(item) for item in items if attribute in item]
