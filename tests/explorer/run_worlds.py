"""The worlds that are explored: schedules and their runs. No GPU is on, so that jobs wait."""

from chalicelib.models.schedules.schedule import Schedule
from tests.explorer.world import Explored
from tests.faults.dynamodb import Wire
from tests.faults.run_invariants import RunInvariants
from tests.faults.run_world import Plan, ScheduleWorld

_MINUTE = 60


class RunChecks(RunInvariants):
    """The checks of schedules; jobs need not end."""

    def unfinished(self) -> str | None:
        return self.unsettled()

    def check_at_rest(self) -> None:
        self.check_schedules_at_rest()


class Schedules(Explored, ScheduleWorld):
    """A world with one schedule; AWS sends only the messages of its first minutes."""

    window = (60, 64)
    plan = Plan("rate(1 minute)")
    minutes = 1
    most = 4

    def checks(self, wire: Wire) -> RunChecks:
        return RunChecks(self, wire)

    def set_up(self) -> None:
        self.most_images = self.most
        self.store_key()
        self.eventbridge.stops_at = self.scheduler.now + self.minutes * _MINUTE
        self.reconciler_at = self.scheduler.now + 5 * _MINUTE
        if self.plan:
            self.finish(self.create(self.plan))
        self.begin()

    def begin(self) -> None:
        """Say what happens."""

    @property
    def schedule_id(self) -> str:
        return next(str(each.id) for each in Schedule.scan(Schedule.expression.exists()))

    def do_each_minute(self) -> None:
        self.look()

    def deliver_all(self) -> None:
        for message in self.runs.visible():
            self.deliver_run(message)

    def next_message_at(self) -> float:
        runs = (each.visible_at for each in self.runs.messages)
        return min([self.eventbridge.next_at(), *runs], default=float("inf"))

    def others(self) -> object:
        return (
            [(each.at, each.visible_at, each.receives, each.fate) for each in self.runs.all],
            sorted(self.eventbridge.entries.items()),
            self.undelivered.messages,
            self.is_count_exact,
        )


class RunTwice(Schedules):
    """AWS delivers the message of a run twice."""

    def begin(self) -> None:
        self.at(60, lambda: self.runs.double(self.runs.new()[0]))


class RunAgainstPause(Schedules):
    """A schedule is paused when its run comes."""

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(60, lambda: self.pause(schedule_id))


class RunAgainstDeletion(Schedules):
    """A schedule is deleted when its run comes."""

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(60, lambda: self.delete(schedule_id))


class RunAgainstChange(Schedules):
    """A schedule is written again when its run comes."""

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(60, lambda: self.replace(schedule_id, Plan("rate(5 minutes)")))


class TwoRuns(Schedules):
    """The messages of two times come at once."""

    window = (120, 124)
    minutes = 2

    def begin(self) -> None:
        self.at(60, lambda: self.runs.delay(self.runs.new()[0], 60))


class LastRun(Schedules):
    """The only run of a schedule comes when the reconciler counts it as missed."""

    plan = Plan("at 1", window=1)
    window = (300, 304)

    def begin(self) -> None:
        self.at(60, self._hold)

    def _hold(self) -> None:
        self.runs.new()[0].visible_at += 240


class RunNowTwice(Schedules):
    """A caller asks twice at once for a run, with one Idempotency-Key."""

    window = (0, 4)
    minutes = 0

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(0, lambda: self.run(schedule_id, key="once"))
        self.at(0, lambda: self.run(schedule_id, key="once"))


class MakeUpTwice(Schedules):
    """Two callers make up a missed run."""

    window = (360, 364)

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(60, lambda: self.runs.remove(self.runs.new()[0], "lost"))
        at = self.scheduler.now + 60
        for _ in range(2):
            self.at(360, lambda: self.run(schedule_id, at))


class MakeUpAgainstMessage(Schedules):
    """A caller makes up a run whose message comes after all."""

    window = (360, 364)

    def begin(self) -> None:
        schedule_id, at = self.schedule_id, self.scheduler.now + 60
        self.at(60, self._hold)
        self.at(360, lambda: self.run(schedule_id, at))

    def _hold(self) -> None:
        self.runs.new()[0].visible_at += 300


class CreateTwice(Schedules):
    """A schedule is created twice at once, with one Idempotency-Key."""

    window = (0, 4)
    plan = None
    minutes = 0

    def begin(self) -> None:
        for _ in range(2):
            self.at(0, lambda: self.create(Plan("rate(5 minutes)"), "once"))


class TwoWriters(Schedules):
    """A schedule is paused and written again at once."""

    window = (0, 4)
    minutes = 0

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(0, lambda: self.pause(schedule_id))
        self.at(0, lambda: self.replace(schedule_id, Plan("rate(5 minutes)")))


class LastImageOfRuns(Schedules):
    """A run and a caller's request for another run want the last image of an allowance."""

    most = 1

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(60, lambda: self.run(schedule_id))


RUN_WORLDS: dict[str, type[Explored]] = {
    "run-twice": RunTwice,
    "run-pause": RunAgainstPause,
    "run-deletion": RunAgainstDeletion,
    "run-change": RunAgainstChange,
    "two-runs": TwoRuns,
    "last-run": LastRun,
    "run-now-twice": RunNowTwice,
    "make-up-twice": MakeUpTwice,
    "make-up-message": MakeUpAgainstMessage,
    "create-twice": CreateTwice,
    "two-writers": TwoWriters,
    "last-image-runs": LastImageOfRuns,
}
