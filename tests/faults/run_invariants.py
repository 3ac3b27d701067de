"""What is true of schedules and runs at every moment, and when the system is at rest."""

from collections import defaultdict

from chalicelib.errors import (
    Conflict,
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
    Overloaded,
    TooManyRequests,
)
from chalicelib.models.schedules import count
from chalicelib.models.schedules.count import OwnerCount
from chalicelib.models.schedules.run import MADE, key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import ENABLED
from chalicelib.services.schedules.publisher import REFUSED
from chalicelib.services.schedules.timetables import expression_in_aws, next_run
from chalicelib.signals import QueueUnavailable, SchedulerUnavailable
from tests.faults.dynamodb import Wire
from tests.faults.eventbridge import Entry
from tests.faults.expectations import Expectations
from tests.faults.history import History
from tests.faults.invariants import Invariants
from tests.faults.run_world import ScheduleWorld

# What callers get for a schedule that others delete, change or complete, or that ran too often.
_ANSWERS = Conflict | IdempotencyConflict | InvalidRequest | NotFound | Overloaded | TooManyRequests


class RunInvariants(Invariants):
    """The checks of jobs, and those of schedules and runs."""

    def __init__(self, world: ScheduleWorld, wire: Wire) -> None:
        super().__init__(world, wire)
        self._schedules = world
        self.history = History(world)
        wire.on_write = self.history.after_write

    def check_always(self) -> None:
        super().check_always()
        assert not self.history.wrong, self.history.wrong
        self._check_jobs_of_runs()
        assert self._counted() >= len(self.history.schedules), "a schedule is not counted"
        assert self._counted() <= count.MOST, "an owner has too many schedules"
        for key, ids in self._schedules.created.items():
            assert len(ids) == 1, f"{key} created {ids}"

    def unsettled(self) -> str | None:
        """Return what the writers of schedules, the reconciler or the runs have left to do."""
        if self._schedules.scheduler.processes:
            return "processes are live"
        if self._schedules.runs.messages or self._schedules.undelivered.messages:
            return "messages of runs are left"
        now = self._schedules.scheduler.now
        for each in self.history.schedules.values():
            if each.changed_until is not None or not each.state or each.is_due(now):
                return f"{each.id} is due: {each.attribute_values}"
        return None

    def check_schedules_at_rest(self) -> None:
        """Raise AssertionError unless each time has its record, and AWS has what is stored."""
        self.check_always()
        self._check_keys()
        self._check_aws()
        Expectations(self._schedules, self.history).check()
        if self._schedules.is_count_exact:
            assert self._counted() == len(self.history.schedules)

    def _is_expected(self, name: str, error: BaseException, *, had_fault: bool) -> bool:
        if isinstance(error, _ANSWERS) and " api " in f"{name} ":
            return True
        if isinstance(error, Overloaded) and " run " in name:
            return True
        if isinstance(error, QueueUnavailable | SchedulerUnavailable) and had_fault:
            return True
        return super()._is_expected(name, error, had_fault=had_fault)

    def _check_jobs_of_runs(self) -> None:
        """Check that the jobs of schedules are those of the runs that were made."""
        jobs: dict[tuple[str, str], set[str]] = defaultdict(set)
        for item in self._items():
            if "schedule_id" in item:
                key = item["schedule_id"]["S"], item["scheduled_at"]["S"]
                jobs[key].add(item["id"]["S"])
        runs = {
            key: set(run.job_ids) for key, run in self.history.runs.items() if run.status == MADE
        }
        assert jobs == runs, f"the jobs are {dict(jobs)}, and those of the runs are {runs}"

    def _check_aws(self) -> None:
        entries = self._schedules.eventbridge.entries
        wanted = {
            each.id: each
            for each in self.history.schedules.values()
            if each.is_in_aws and each.pause_note != REFUSED
        }
        found = f"AWS has {set(entries)}, stored are {set(wanted)}"
        assert entries.keys() <= wanted.keys(), found
        # AWS need not have a paused schedule whose times are over.
        now = self._schedules.scheduler.now
        assert {each for each in wanted if next_run(wanted[each], now)} <= entries.keys(), found
        for schedule_id, entry in entries.items():
            schedule = wanted[schedule_id]
            assert entry.is_enabled == (schedule.state == ENABLED), f"{schedule_id}: {entry}"
            has = tuple(entry.fields[f"ScheduleExpression{part}"] for part in ("", "Timezone"))
            assert has == expression_in_aws(schedule), f"{schedule_id}: {entry}"
            if entry.is_enabled:
                self._check_next(schedule, entry)

    def _check_next(self, schedule: Schedule, entry: Entry) -> None:
        since = max(self._schedules.eventbridge.stops_at, entry.written_at)
        wanted, next_at = next_run(schedule, since), entry.next_at
        assert next_at == wanted, f"AWS starts {schedule.id} at {key_of(next_at)}, not at {wanted}"

    def _counted(self) -> int:
        return sum(int(each.schedules) for each in OwnerCount.scan(OwnerCount.schedules.exists()))
