"""Processes that take turns: each parks at every call to the outside, and is told how it went."""

import threading
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")

_START = 1_800_000_000.0


class Died(BaseException):
    """The process was killed: nothing after this runs."""


class Fate(Enum):
    """How a call to the outside goes."""

    DONE = "done"
    CRASHED = "crashed"  # the process dies before the call has an effect
    FAILED = "failed"  # an error, and no effect
    UNANSWERED = "unanswered"  # an effect, and an error
    REPEATED = "repeated"  # an effect, and the client library makes the same call again
    STALE = "stale"  # an answer from before the last write


class Process:
    """One invocation of a function, in a thread that runs only while it has the baton."""

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
        self.at = "start"  # the call at which it is parked
        self.wakes_at: float | None = None  # it sleeps till then, if it does
        self.answer: object = None
        self.error: BaseException | None = None
        self.was_hurt = False  # one of its calls went wrong
        self.was_alone = True  # nobody else was at work meanwhile
        self.is_live = True
        self.on_end: Callable[[Process], None] = lambda process: None
        self._work = work
        self._fate = Fate.DONE
        self._baton, self._back = threading.Lock(), threading.Lock()
        self._baton.acquire()
        self._back.acquire()
        threading.Thread(target=self._live, daemon=True).start()

    def resume(self, fate: Fate) -> None:
        """Let it run on to its next call, or to its end."""
        self._fate = fate
        self._baton.release()
        self._back.acquire()

    def park(self, at: str, wakes_at: float | None = None) -> Fate:
        """Wait for the baton; raise Died if the process is dead, or dies here."""
        if self._fate is not Fate.CRASHED:
            self.at, self.wakes_at = at, wakes_at
            self._back.release()
            self._baton.acquire()
        if self._fate is Fate.CRASHED:
            raise Died
        return self._fate

    def _live(self) -> None:
        self._baton.acquire()
        _here.process = self
        try:
            if self._fate is Fate.CRASHED:
                raise Died
            self.answer = self._work()
            self.park("return")
        except BaseException as error:  # noqa: BLE001 - the machine judges it
            self.error = error
        self.is_live = False
        self._back.release()


_here = threading.local()


class Scheduler:
    """The time, and the processes that live in it."""

    def __init__(self, now: float = _START) -> None:
        self.now = now
        self.processes: list[Process] = []
        self.on_tick: list[Callable[[float], None]] = []
        self.journal: list[str] = []

    def clock(self) -> float:
        """Tell the time as the machine of the running process has it."""
        process = _current()
        return self.now + (process.skew if process else 0)

    def advance_to(self, time: float) -> None:
        """Let time pass for everything that has a life of its own, second by second."""
        while self.now < time:
            self.now = min(self.now + 1, time)
            for tick in self.on_tick:
                tick(self.now)

    def note(self, event: str) -> None:
        self.journal.append(f"{self.now - _START:8.2f} {event}")

    def spawn(self, process: Process) -> Process:
        self.processes.append(process)
        for each in self.processes:
            each.was_alone &= len(self.processes) == 1
        return process

    def resume(self, process: Process, fate: Fate) -> None:
        """Run a process from one call to the next."""
        if fate is not Fate.CRASHED and process.wakes_at is not None:
            self.advance_to(process.wakes_at)
        if self.now >= process.killed_at:
            fate = Fate.CRASHED
        process.was_hurt |= fate is not Fate.DONE
        at = process.at
        self.note(f"{process.name}: {at}: {fate.value}")
        process.resume(fate)
        if not process.is_live:
            self.processes.remove(process)
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
        stale: Callable[[], T] | None = None,
        repeated: Callable[[], object] | None = None,
    ) -> T:
        """Make a call to the outside, as its fate will have it.

        `patience` is the time after which a client gives up: then the call had no effect.
        `repeated` is a call whose answer is lost, and that the client makes again.
        """
        process = _current()
        if process is None:
            return effect()
        started_at = self.now
        fate = process.park(at)
        while fate is Fate.REPEATED and repeated:
            repeated()
            started_at = self.now
            fate = process.park(f"{at} again")
        if fate is Fate.FAILED or self.now - started_at > patience:
            process.was_hurt = True
            raise failure()
        if fate is Fate.STALE and stale:
            return stale()
        answer = effect()
        if fate is Fate.UNANSWERED:
            raise failure()
        return answer

    def hurt(self) -> None:
        """Note that something went wrong for the running process that is no fault of its own."""
        if process := _current():
            process.was_hurt = True

    def pause(self, seconds: float, *, at: str = "pause", until: float | None = None) -> Fate:
        """Let the process sleep; whoever runs it next lets that time pass."""
        process = _current()
        wakes_at = self.now + max(seconds, 0)
        if process is None:
            self.advance_to(wakes_at)
            return Fate.DONE
        return process.park(at, wakes_at if until is None else min(wakes_at, until))


def _current() -> Process | None:
    process: Any = getattr(_here, "process", None)
    return process


def sleep(seconds: float) -> None:
    """Stand in for `time.sleep` in whatever process calls it."""
    process = _current()
    if process is not None:
        process.scheduler.pause(seconds, at="sleep")
