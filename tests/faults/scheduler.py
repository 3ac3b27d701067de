"""Processes that run one at a time: each stops before every external call and gets its outcome."""

from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

T = TypeVar("T")

_START = 1_800_000_000.0


class Died(BaseException):
    """Ends a process that was killed; no handler catches it."""


class Outcome(Enum):
    """How an external call ends."""

    DONE = "done"
    CRASHED = "crashed"  # the process dies before the call has an effect
    FAILED = "failed"  # the call has no effect, and raises an error
    UNANSWERED = "unanswered"  # the call has its effect, and raises an error
    REPEATED = "repeated"  # the call has its effect, and the client library repeats it
    STALE = "stale"  # the answer is from before the last write
    LAGGED = "lagged"  # the call has its effect, which indexes show some seconds later
    LATE = "late"  # the call has its effect, and once more some seconds later


class Call(NamedTuple):
    """A call that is about to be made, and how else than well it may end.

    Its machine may stand still before it for `stands_seconds`. `site` names the function that
    makes it, if it is a write with a condition.
    """

    faults: tuple[Outcome, ...] = ()
    stands_seconds: float = 0
    is_read: bool = False
    site: str = ""


NO_CALL = Call()


class Process:
    """One invocation of a function, in a greenlet that runs only between `resume` and `park`."""

    def __init__(
        self,
        scheduler: "Scheduler",
        name: str,
        work: Callable[[], object],
        *,
        killed_at: float,
        skew: float = 0,
    ) -> None:
        self.scheduler = scheduler
        self.name = name
        self.killed_at = killed_at
        self.skew = skew  # of its machine's clock
        self.at = "start"  # the call before which it is stopped
        self.wakes_at: float | None = None  # when its sleep ends, if it sleeps
        self.stands_until = _START  # when it may go on, as its machine stands still
        self.has_stood = False
        self.asked_at = scheduler.now  # when it was about to make its call
        self.turn = 0  # it goes on after all with lower ones, once it was preempted
        self.call = NO_CALL  # the one before which it is stopped
        self.history = 0  # a hash of all that it was told: equal ones mean equal local states
        self.answer: object = None
        self.error: BaseException | None = None
        self.has_just_read = False  # its last call was a read
        self.had_fault = False  # one of its calls failed
        self.was_alone = True  # no other process was live meanwhile
        self.is_live = True
        self.number = scheduler.count()  # of the processes that began before
        self.on_end: Callable[[Process], None] = lambda process: None
        self.group = Group(self)  # the threads of its invocation
        self._work = work
        self._outcome = Outcome.DONE
        self._greenlet = _Greenlet(self._live)
        self._greenlet.process = self

    def resume(self, outcome: Outcome) -> None:
        """Run it to its next call, or to its end."""
        self._outcome = outcome
        self._greenlet.parent = getcurrent()
        self._greenlet.switch()

    def park(self, at: str, wakes_at: float | None = None, call: Call = NO_CALL) -> Outcome:
        """Wait until the process is resumed; raise Died if it was killed, or is killed now."""
        if self._outcome is not Outcome.CRASHED:
            self.at, self.wakes_at, self.call = at, wakes_at, call
            self.asked_at = self.scheduler.now
            self._leave()
        if self._outcome is Outcome.CRASHED:
            raise Died
        self.learn(self._outcome, self.scheduler.now)
        return self._outcome

    def learn(self, *told: object) -> None:
        """Note what the process is told: answers, errors, messages, and the time."""
        if self.scheduler.keeps_history:
            self.history = hash((self.history, self.at, repr(told)))

    def _leave(self) -> None:
        """Go back to who has resumed it; a process that nobody can resume any more dies."""
        try:
            self._greenlet.parent.switch()
        except GreenletExit:
            self._outcome = Outcome.CRASHED

    def _live(self) -> None:
        try:
            if self._outcome is Outcome.CRASHED:
                raise Died
            self.answer = self._work()
            self.park("return", call=Call((Outcome.CRASHED,)))
        except BaseException as error:  # noqa: BLE001 - the invariants check it
            self.error = error
        self.is_live = False


class _Greenlet(greenlet):
    process: "Process | None" = None


class Group:
    """The threads of one invocation, which are processes that die together."""

    def __init__(self, main: Process) -> None:
        self.main = main
        self.threads: list[Process] = []

    def note_end(self, process: Process) -> None:
        """Crash all threads if one has crashed."""
        self.main.had_fault |= process.had_fault
        if process in self.threads:
            self.threads.remove(process)
        if isinstance(process.error, Died):
            for each in [*self.threads, self.main]:
                if each.is_live and each is not process:
                    each.scheduler.resume(each, Outcome.CRASHED)


class Scheduler:
    """The time, and the processes that are live."""

    def __init__(self, now: float = _START) -> None:
        self.now = now
        self.processes: list[Process] = []
        self.on_tick: list[Callable[[float], None]] = []
        self.journal: list[str] = []
        self._begun = 0
        self.keeps_history = False

    def count(self) -> int:
        """Return how many processes have begun before, and count one more."""
        self._begun += 1
        return self._begun - 1

    def clock(self) -> float:
        """Return the time by the clock of the running process, which may be skewed."""
        process = _current()
        return self.now + (process.skew if process else 0)

    @property
    def running(self) -> Process | None:
        """Return the process that runs now; None outside of processes."""
        return _current()

    def advance_to(self, time: float) -> None:
        """Let time pass second by second, and call `on_tick` for each."""
        while self.now < time:
            self.now = min(self.now + 1, time)
            for tick in self.on_tick:
                tick(self.now)

    def note(self, event: str) -> None:
        self.journal.append(f"{self.now - _START:8.2f} {event}")

    def spawn(self, process: Process) -> Process:
        self.processes.append(process)
        groups = {id(each.group) for each in self.processes}
        for each in self.processes:
            each.was_alone &= len(groups) == 1
        return process

    def together(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Do all of the work in threads of the running process, and wait for all."""
        main = _current()
        if main is None:
            return [work() for work in works]
        made, left = [], list(range(len(works)))
        for number, work in enumerate(works):
            name = f"{main.name}.{number}"
            thread = Process(self, name, work, killed_at=main.killed_at, skew=main.skew)
            thread.on_end = partial(self._end_thread, main, left)
            thread.group = main.group
            main.group.threads.append(thread)
            made.append(self.spawn(thread))
        if made:
            self.processes.remove(main)  # it goes on when the last one has ended
            main.park("together")
        failed = [each.error for each in made if each.error is not None]
        if failed:
            raise failed[0]
        return [each.answer for each in made]

    def _end_thread(self, main: Process, left: list[int], _: Process) -> None:
        left.pop()
        if not left and main.is_live and main not in self.processes:
            main.wakes_at = None
            self.processes.append(main)

    def thread_of(self, process: Process) -> Process:
        """Return the thread of an invocation that can go on and wakes first."""
        threads = [each for each in [process, *process.group.threads] if each in self.processes]
        return min(threads, key=lambda each: each.wakes_at or self.now)

    def resume(self, process: Process, outcome: Outcome) -> None:
        """Run a process from one call to the next."""
        if outcome is not Outcome.CRASHED and process.wakes_at is not None:
            self.advance_to(process.wakes_at)
        if self.now >= process.killed_at:
            outcome = Outcome.CRASHED
        process.had_fault |= outcome is not Outcome.DONE
        at = process.at
        self.note(f"{process.name}: {at}: {outcome.value}")
        process.resume(outcome)
        if not process.is_live:
            if process in self.processes:
                self.processes.remove(process)
            process.group.note_end(process)
            how = "ended" if process.error is None else repr(process.error)[:300]
            self.note(f"{process.name}: {how}")
            process.on_end(process)

    def call(
        self,
        at: str,
        effect: Callable[[], T],
        failure: Callable[[], Exception],
        *,
        patience: float = 30,
        unanswered: Callable[[], Exception] | None = None,
        stale: Callable[[], T] | None = None,
        repeated: Callable[[], object] | None = None,
        lagged: Callable[[], T] | None = None,
        late: Callable[[], T] | None = None,
        about: Call = NO_CALL,
    ) -> T:
        """Make an external call, which ends as its outcome says.

        `patience` is the time after which the client gives up; the call then has no effect.
        It then raises the error of `failure`; `unanswered` is that of a call that had its effect.
        `repeated` makes the call whose answer is lost before the client repeats it; `stale`,
        `lagged` and `late` make it in other ways.
        """
        process = _current()
        if process is None:
            return effect()
        started_at = self.now
        others = {
            Outcome.REPEATED: repeated,
            Outcome.LAGGED: lagged,
            Outcome.LATE: late,
            Outcome.STALE: stale,
        }
        lost = () if about.is_read else (Outcome.UNANSWERED,)
        known = tuple(outcome for outcome, way in others.items() if way)
        call = about._replace(
            faults=(Outcome.FAILED, Outcome.CRASHED, *lost, *known),
            stands_seconds=about.stands_seconds or patience - 1,
        )
        outcome = process.park(at, call=call)
        while outcome is Outcome.REPEATED and repeated:
            repeated()
            started_at = self.now
            outcome = process.park(f"{at} again", call=call._replace(faults=()))
        started_at = max(started_at, process.stands_until)
        if outcome is Outcome.FAILED or self.now - started_at > patience:
            process.had_fault = True
            raise failure()
        process.has_just_read = about.is_read
        answer = self._answered(process, others.get(outcome) or effect)
        if outcome is Outcome.UNANSWERED:
            raise (unanswered or failure)()
        return answer

    def _answered(self, process: Process, effect: Callable[[], T]) -> T:
        try:
            answer = effect()
        except Exception as error:
            process.learn(error)
            raise
        process.learn(answer)
        return answer

    def note_fault(self) -> None:
        """Note that a call of the running process failed for a reason outside of it."""
        if process := _current():
            process.had_fault = True

    def pause(
        self, seconds: float, *, at: str = "pause", until: float | None = None, call: Call = NO_CALL
    ) -> Outcome:
        """Let the process sleep; its next `resume` lets that time pass."""
        process = _current()
        wakes_at = self.now + max(seconds, 0)
        if process is None:
            self.advance_to(wakes_at)
            return Outcome.DONE
        return process.park(at, wakes_at if until is None else min(wakes_at, until), call)


def _current() -> Process | None:
    return getattr(getcurrent(), "process", None)


def sleep(seconds: float) -> None:
    """Replace `time.sleep` for the running process."""
    process = _current()
    if process is not None:
        process.scheduler.pause(seconds, at="sleep")
