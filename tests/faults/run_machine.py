"""The state machine with which hypothesis drives schedules under faults."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from chalicelib.models.schedules.run import MISSED
from tests.faults.events import Message, Minute, Resume, Time
from tests.faults.history import time_of
from tests.faults.machine import Faults
from tests.faults.run_events import (
    Act,
    Call,
    Create,
    Fate,
    Handle,
    MakeUp,
    Race,
    Replace,
    RunEvent,
    RunNow,
    plans,
    run_events,
)
from tests.faults.run_invariants import RunInvariants
from tests.faults.run_queues import RunMessage
from tests.faults.run_rest import come_to_rest_with_schedules
from tests.faults.run_world import Plan, ScheduleWorld
from tests.faults.scheduler import Outcome, Process

_MOST_SCHEDULES = 3
_ALL_CALLS = 60  # that a process makes, at most


class RunFaults(Faults):
    """Writers of schedules, runs, messages of EventBridge Scheduler, and calls that fail."""

    world: ScheduleWorld
    checks: RunInvariants

    def new_world(self) -> ScheduleWorld:
        return ScheduleWorld()

    def new_checks(self) -> RunInvariants:
        return RunInvariants(self.world, self.wire)

    @initialize(plan=plans, is_on=st.booleans(), most_images=st.sampled_from([2, 4]))
    def set_up_world(self, plan: Plan, is_on: bool, most_images: int) -> None:  # noqa: FBT001
        self.world.most_images = most_images
        self.world.store_key()
        if is_on:
            self.world.hosts[0].start(self.scheduler.now)
            self.scheduler.advance_to(self.scheduler.now + 60)
        self.play(self.world.create(plan), [Outcome.DONE] * _ALL_CALLS)

    @rule(event=run_events)
    def handle(self, event: RunEvent) -> None:
        new = self.world.runs.new()
        match event:
            case Call(invocation, skew, calls, then):
                self.world.skew = skew
                self.play(self.process(invocation), [Outcome.DONE] * calls + [then])
            case Race(first, second, calls):
                self._race(first, second, calls)
            case Time(seconds):
                self.scheduler.advance_to(self.scheduler.now + seconds)
            case Fate(which, what) if new:
                self._befall(new[which % len(new)], what)

    def _race(self, first: Any, second: Any, calls: int) -> None:
        slower = self.process(first)
        self.play(slower, [Outcome.DONE] * calls)
        self.play(self.process(second), [Outcome.DONE] * _ALL_CALLS)
        self.play(slower, [Outcome.DONE] * _ALL_CALLS)

    def come_to_rest(self) -> None:
        come_to_rest_with_schedules(self.world, self.checks)

    def process(self, invocation: Any) -> Process | None:
        """Return the process of an invocation, or None if it cannot be."""
        visible, live = self.world.runs.visible(), self.scheduler.processes
        jobs = self.world.queue.visible()
        match invocation:
            case Handle(which) if visible:
                return self.world.deliver_run(visible[which % len(visible)])
            case Message(which) if jobs:
                return self.world.deliver(jobs[which % len(jobs)])
            case Minute():
                return self.world.look()
            case Resume(which) if live:
                return live[which % len(live)]
            case Create(plan, key) if len(self.checks.history.schedules) < _MOST_SCHEDULES:
                return self.world.create(plan, key)
        return self._process_on_schedule(invocation)

    def _process_on_schedule(self, invocation: Any) -> Process | None:
        schedules = sorted(self.checks.history.schedules)
        if not schedules or not hasattr(invocation, "which"):
            return None
        schedule_id = schedules[invocation.which % len(schedules)]
        match invocation:
            case Replace(_, plan):
                return self.world.replace(schedule_id, plan)
            case Act(_, verb):
                act: Process = getattr(self.world, verb)(schedule_id)
                return act
            case RunNow(_, key):
                return self.world.run(schedule_id, key=key)
            case MakeUp(which):
                return self._make_up(which)
        return None

    def _make_up(self, which: int) -> Process | None:
        missed = [each for each in self.checks.history.runs.values() if each.status == MISSED]
        if not missed:
            return None
        run = missed[which % len(missed)]
        return self.world.run(str(run.schedule_id), time_of(run))

    def _befall(self, message: RunMessage, what: str) -> None:
        self.scheduler.note(f"the message of {message.schedule_id} {message.at} is {what}")
        if what == "lost":
            self.world.runs.remove(message, "lost")
        elif what == "undelivered":
            self.world.undeliver(message)
        elif what == "twice":
            self.world.runs.double(message)
        else:
            self.world.runs.delay(message, float(what.removeprefix("late ")))
