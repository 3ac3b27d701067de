"""One run of a world: step by step, by default or by the choices of an order."""

from collections.abc import Callable, Iterator
from math import inf

from tests.explorer.choices import Bounds, Choice, Kind, Order
from tests.explorer.state import rest_of, state_of
from tests.explorer.wire import ExploredWire
from tests.explorer.world import Explored
from tests.faults.invariants import Invariants
from tests.faults.scheduler import Died, Outcome, Process

_LATE_SECONDS = 35  # after which a message arrives that waits for its function
_STANDS = "stands still"


class Run:
    """The processes of a world; by default, each goes on until it waits or ends.

    The next one is then the one that began first, and at last those that were preempted.
    """

    def __init__(self, world: Explored, wire: ExploredWire, checks: Invariants) -> None:
        self.world, self.wire, self.checks = world, wire, checks
        self._scheduler = world.scheduler
        self._begun_at = self._scheduler.now
        self._last: Process | None = None
        self._is_calm = self._has_failed = self._is_late = False
        self.step = 0
        self.order: Order = {}
        self.focus: Callable[[Process], bool] = lambda process: True
        self.was_seen: Callable[[int], bool] = lambda rest: False

    @property
    def journal(self) -> list[str]:
        """The calls of all processes, and how they ended."""
        return self._scheduler.journal

    def arrive(self) -> bool:
        """Let time pass until a process may go on; return False at the end of all."""
        while True:
            self.world.begin_what_is_due()
            self._check_prompt()
            if self._ready():
                return True
            if not self._scheduler.processes and self._is_calm:
                if not self.checks.unfinished():
                    self.checks.check_at_rest()
                    return False
                if self._is_over_sooner():
                    return False
            self._pass_time()

    def _check_prompt(self) -> None:
        """Check that, if no call has failed, all jobs have ended in time."""
        seconds = self._scheduler.now - self._begun_at
        if self._has_failed or self._is_late or seconds < self.world.ends_within:
            return
        self._is_late = True
        left = [each.id for each in self.checks.jobs() if each.is_open]
        assert not left, f"jobs have not ended after {seconds:.0f} s: {left}"

    def state(self) -> int:
        known = self._last.name if self._last else "", self._has_failed
        return state_of(self.world, self.wire.memory.digest(), known)

    def choices(self, bounds: Bounds) -> Iterator[Choice]:
        """Yield what may happen at this step instead of the default."""
        if not self.allows_choices:
            return
        first, *others = self._ready()
        if not self.focus(first):
            return
        kind = Kind.PREEMPTION if first is self._last else Kind.TURN
        found = [Choice(kind, each.name) for each in others]
        if self._may_stand(first):
            found.append(Choice(Kind.PREEMPTION, _STANDS))
        # A process that is killed before a read might as well be killed before its next write.
        faults = () if first.call.is_read else first.call.faults
        found += [Choice(Kind.FAULT, outcome.value) for outcome in faults]
        yield from (each for each in found if bounds.allow(each.kind))

    def _may_stand(self, process: Process) -> bool:
        """Return whether a process may stand still: before and after a write, or at its start."""
        if process.at == "start":
            return True
        call = process.call
        return call.stands_seconds > 0 and not (call.is_read and process.has_just_read)

    def take(self, what: str) -> None:
        """Let a choice happen."""
        self.order[self.step] = what
        first, *others = self._ready()
        if what == _STANDS:
            self._scheduler.note(f"{first.name}: {first.at}: {what}")
            self._let_stand(first)
            self._last = None
            self.step += 1
        elif outcome := {each.value: each for each in Outcome}.get(what):
            self._has_failed |= outcome is not Outcome.LAGGED
            self._resume(first, outcome)
        else:
            if first is self._last:  # it goes on when all others wait
                first.turn = self.step
            self._resume(next(each for each in others if each.name == what), Outcome.DONE)

    def _let_stand(self, process: Process) -> None:
        """Let all threads of a process stand still, for less time than it may run."""
        now, group = self._scheduler.now, process.group
        seconds = process.call.stands_seconds or _LATE_SECONDS
        until = min(now + seconds, process.killed_at - 1)
        for each in {group.main, process, *group.threads}:
            each.has_stood, each.stands_until = True, until

    def go_on(self) -> None:
        """Let the default happen."""
        self._resume(self._ready()[0], Outcome.DONE)

    def _ready(self) -> list[Process]:
        """Return the processes that may go on: first the last one, then as they began."""
        now = self._scheduler.now
        ready = [
            each
            for each in self._scheduler.processes
            if (each.wakes_at or 0) <= now and each.stands_until <= now
        ]
        return sorted(ready, key=self._rank)

    def _rank(self, process: Process) -> tuple[bool, int, int, int]:
        numbers = process.group.main.number, process.number
        return process is not self._last, process.turn, *numbers

    def _resume(self, process: Process, outcome: Outcome) -> None:
        self.wire.has_written = False
        self._last = process
        self.step += 1
        process.turn = 0
        assert self.step < self.world.limit_steps, f"{process.name} goes on for ever"
        self._scheduler.resume(process, outcome)
        self._has_failed |= isinstance(process.error, Died)  # its time may have been over
        self._last = process if self._may_go_on(process) else None
        if self.wire.has_written or not process.is_live:
            self.checks.check_always()

    def _may_go_on(self, process: Process) -> bool:
        return process.is_live and (process.wakes_at or 0) <= self._scheduler.now

    def _is_over_sooner(self) -> bool:
        """Return whether all jobs have ended, and the rest has been seen.

        That depends on the instances and messages alone, whatever the time is.
        """
        if not self.world.ends_once_seen or any(job.is_open for job in self.checks.jobs()):
            return False
        self.checks.check_ended()
        return self.was_seen(rest_of(self.world, self.world.reconciler_at))

    @property
    def allows_choices(self) -> bool:
        begin, end = self.world.window
        return begin <= self._scheduler.now - self._begun_at < end

    def _pass_time(self) -> None:
        now = self._scheduler.now
        limit = self._begun_at + self.world.limit_seconds
        assert now < limit, self.checks.unfinished()
        if not self._is_calm and now >= self._begun_at + self.world.window[1]:
            self._is_calm = True
            self.checks.expect_ends()
        waits = [max(each.wakes_at or 0, each.stands_until) for each in self._scheduler.processes]
        end = inf if self._is_calm else self._begun_at + self.world.window[1]
        self._scheduler.advance_to(max(min([self.world.next_at(), *waits, end]), now))
