"""The worlds that are explored: schedules and their runs. No GPU is on, so that jobs wait."""

from math import inf

from chalicelib.models.schedules import count
from chalicelib.models.schedules.count import OwnerCount
from chalicelib.models.schedules.schedule import Schedule
from tests.explorer.world import Explored
from tests.faults.dynamodb import Wire
from tests.faults.run_invariants import RunInvariants
from tests.faults.run_queues import RunMessage
from tests.faults.run_world import Plan, ScheduleWorld
from tests.faults.scheduler import Outcome, Process

_MINUTE = 60
_MINUTELY = Plan("rate(1 minute)", window=1)


class RunChecks(RunInvariants):
    """The checks of schedules; jobs need not end."""

    def unfinished(self) -> str | None:
        return self.unsettled()

    def check_at_rest(self) -> None:
        self.check_schedules_at_rest()


class Schedules(Explored, ScheduleWorld):
    """A world with one schedule; AWS sends only the messages of its first minutes."""

    window = (60, 64)
    ends_within = inf
    slice_share = 4
    script_is_first = True  # it says what becomes of messages
    limit_seconds = 1200
    limit_steps = 1000
    ends_once_seen = False
    plan: Plan | None = Plan("rate(1 minute)")
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

    def new_message(self) -> RunMessage:
        """Return the only message that no function has seen."""
        [message] = self.runs.new()
        return message

    def hold(self, process: Process, at: str, seconds: float) -> None:
        """Let a process run to a call, and stand still before it."""
        while process.is_live and not process.at.startswith(at):
            self.scheduler.resume(process, Outcome.DONE)
        process.stands_until = self.scheduler.now + seconds

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
            sorted(self.created.items()),
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
        self.at(300, self.look)
        self.reconciler_at += _MINUTE

    def _hold(self) -> None:
        self.new_message().visible_at += 240


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
    plan = _MINUTELY

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(60, lambda: self.runs.remove(self.new_message(), "lost"))
        at = self.scheduler.now + 60
        for _ in range(2):
            self.at(360, lambda: self.run(schedule_id, at))


class MakeUpAgainstMessage(Schedules):
    """A caller makes up a run whose message comes after all."""

    window = (360, 364)
    plan = _MINUTELY

    def begin(self) -> None:
        schedule_id, at = self.schedule_id, self.scheduler.now + 60
        self.at(60, self._hold)
        self.at(360, lambda: self.run(schedule_id, at))

    def _hold(self) -> None:
        self.new_message().visible_at += 300


class LastImageOfMakeUp(MakeUpAgainstMessage):
    """A caller makes up a run whose message is refused: they want the last image."""

    most = 1


class LateRunTwice(Schedules):
    """The message of a missed run comes twice after all; both want the last image."""

    window = (360, 364)
    plan = _MINUTELY
    most = 1

    def begin(self) -> None:
        self.at(60, self._hold)

    def _hold(self) -> None:
        message = self.new_message()
        self.runs.double(message)
        for each in self.runs.new():
            each.visible_at += 300


class LateCopy(Schedules):
    """AWS delivers the message of a run a second time too late, and that one is handled first."""

    window = (200, 204)
    plan = _MINUTELY

    def begin(self) -> None:
        self.at(60, self._hold)

    def _hold(self) -> None:
        message = self.new_message()
        self.runs.double(message)
        self.runs.new()[1].visible_at += 140
        self.runs.delay(message, 140)


class SlowRun(Schedules):
    """The message of a run comes when the reconciler counts it and the next one as missed."""

    window = (360, 364)
    plan = _MINUTELY
    minutes = 2

    def begin(self) -> None:
        self.at(60, self._hold)
        self.at(120, lambda: self.runs.remove(self.runs.new()[-1], "lost"))
        self.reconciler_at += _MINUTE

    def _hold(self) -> None:
        self.new_message().visible_at += 300


class TwoWatches(Schedules):
    """Two reconcilers count two runs as missed."""

    window = (360, 364)
    plan = _MINUTELY
    minutes = 2

    def begin(self) -> None:
        for seconds in (60, 120):
            self.at(seconds, lambda: self.runs.remove(self.new_message(), "lost"))
        for _ in range(2):
            self.at(360, self.look)
        self.reconciler_at += 2 * _MINUTE


class RunNowAgainstDeletion(Schedules):
    """A caller asks for a run of a schedule that is deleted."""

    window = (0, 4)
    minutes = 0

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(0, lambda: self.hold(self.run(schedule_id), "TransactWriteItems begins", 2))
        self.at(1, lambda: self.hold(self.delete(schedule_id), "eventbridge", 2))


class OneKeyForTwo(Schedules):
    """A caller asks for runs of two schedules with one Idempotency-Key."""

    window = (0, 4)
    minutes = 0

    def begin(self) -> None:
        self.finish(self.create(Plan("rate(5 minutes)")))
        for each in Schedule.scan(Schedule.expression.exists()):
            self.at(0, lambda schedule_id=str(each.id): self.run(schedule_id, key="once"))


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


class SlowWriter(Schedules):
    """A schedule is written again while the one who pauses it is slow to tell AWS."""

    window = (0, 4)
    minutes = 0

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.at(0, lambda: self.hold(self.pause(schedule_id), "eventbridge", 10))
        self.at(1, lambda: self.replace(schedule_id, Plan("rate(5 minutes)")))


class DeadWriter(Schedules):
    """The one who pauses a schedule dies before it tells AWS; then the reconciler does it."""

    minutes = 0

    def begin(self) -> None:
        schedule_id = self.schedule_id
        self.hold(self.pause(schedule_id), "eventbridge", 0)
        self.kill("pause")
        self.at(60, self.look)
        self.at(60, lambda: self.replace(schedule_id, Plan("rate(5 minutes)")))


class CompletedMeanwhile(Schedules):
    """The last run of a schedule comes while AWS is told of a change of it."""

    plan = Plan("at 1")
    window = (60, 66)

    def begin(self) -> None:
        schedule_id, same = self.schedule_id, Plan("at 1")
        self.at(55, lambda: self.hold(self.replace(schedule_id, same), "eventbridge", 10))


class DeletedMeanwhile(Schedules):
    """A schedule is completed, and deleted, while AWS is told of a change of it."""

    plan = Plan("at 1")
    window = (60, 72)

    def begin(self) -> None:
        schedule_id, same = self.schedule_id, Plan("at 1")
        self.at(50, lambda: self.hold(self.replace(schedule_id, same), "eventbridge", 12))
        self.at(61, lambda: self.delete(schedule_id))


class DifferentClocks(Schedules):
    """A reconciler is slow to complete a change, and the clock of the next writer is fast."""

    window = (118, 121)
    minutes = 0

    def begin(self) -> None:
        self.finish(self.create(Plan("rate(5 minutes)")))
        schedule_id = self.schedule_id
        self.hold(self.dead(schedule_id), "eventbridge", 0)
        self.kill(f"{schedule_id[-2:]}")
        self.at(60, lambda: self.slow(self.look()))
        self.at(118, lambda: self.fast(schedule_id))

    def dead(self, schedule_id: str) -> Process:
        """Return the one who dies before it tells AWS."""
        return self.pause(schedule_id)

    def slow(self, reconciler: Process) -> None:
        """Hold the reconciler before its last write."""
        self.hold(reconciler, "eventbridge", 0)
        self.hold(reconciler, "UpdateItem", 59)

    def fast(self, schedule_id: str) -> None:
        """Begin the next writer."""
        self.skew = 2
        self.next(schedule_id)
        self.skew = 0

    def next(self, schedule_id: str) -> None:
        """Write the schedule again, and die before AWS is told."""
        self.hold(self.replace(schedule_id, Plan("rate(5 minutes)")), "eventbridge", 0)
        self.kill("replace")


class DeletionWithDifferentClocks(DifferentClocks):
    """Two reconcilers complete a deletion."""

    def dead(self, schedule_id: str) -> Process:
        return self.delete(schedule_id)

    def slow(self, reconciler: Process) -> None:
        self.hold(reconciler, "eventbridge", 0)
        self.hold(reconciler, "Transact", 59)

    def next(self, schedule_id: str) -> None:
        self.look()


class LateAnswer(DifferentClocks):
    """A schedule is deleted before the reconciler, which AWS did not answer, postpones it."""

    def slow(self, reconciler: Process) -> None:
        self.hold(reconciler, "eventbridge", 0)
        self.scheduler.resume(reconciler, Outcome.FAILED)
        self.hold(reconciler, "UpdateItem", 59)

    def next(self, schedule_id: str) -> None:
        self.delete(schedule_id)


class LastSchedule(Schedules):
    """Two schedules are created, and the owner may have one more."""

    window = (0, 4)
    plan = None
    minutes = 0

    def begin(self) -> None:
        count.MOST = 1
        for _ in range(2):
            self.at(0, lambda: self.create(Plan("rate(5 minutes)")))


class WrongCount(Schedules):
    """Two schedules are created, and the owner has one, which is counted twice."""

    window = (70, 74)
    minutes = 0

    def begin(self) -> None:
        count.MOST = 2
        [counted] = OwnerCount.scan(OwnerCount.schedules.exists())
        counted.update([OwnerCount.schedules.set(2)])
        self.is_count_exact = False
        for _ in range(2):
            self.at(70, lambda: self.create(Plan("rate(5 minutes)")))


class RefusedCreation(Schedules):
    """A schedule that AWS refuses is created twice at once, with one Idempotency-Key."""

    window = (0, 4)
    plan = None
    minutes = 0

    def begin(self) -> None:
        self.eventbridge.refused = "rate(7 minutes)"
        for _ in range(2):
            self.at(0, lambda: self.create(Plan("rate(7 minutes)"), "once"))


class RefusedChange(Schedules):
    """A run that is refused comes before AWS refuses a change of its schedule."""

    window = (60, 130)
    most = 1

    def begin(self) -> None:
        self.eventbridge.refused = "cron(1/5 * * * ? *)"
        schedule_id, change = self.schedule_id, Plan("cron(1/5 * * * ? *)")
        self.finish(self.run(schedule_id))
        self.at(55, lambda: self.hold(self.replace(schedule_id, change), "eventbridge", 10))


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
    "make-up-refused": LastImageOfMakeUp,
    "late-run-twice": LateRunTwice,
    "late-copy": LateCopy,
    "slow-run": SlowRun,
    "two-watches": TwoWatches,
    "run-now-deletion": RunNowAgainstDeletion,
    "one-key-for-two": OneKeyForTwo,
    "create-twice": CreateTwice,
    "two-writers": TwoWriters,
    "slow-writer": SlowWriter,
    "dead-writer": DeadWriter,
    "completed": CompletedMeanwhile,
    "deleted": DeletedMeanwhile,
    "clocks": DifferentClocks,
    "clocks-deletion": DeletionWithDifferentClocks,
    "clocks-answer": LateAnswer,
    "last-schedule": LastSchedule,
    "wrong-count": WrongCount,
    "refused-creation": RefusedCreation,
    "refused-change": RefusedChange,
    "last-image-runs": LastImageOfRuns,
}
