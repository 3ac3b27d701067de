"""The state machine with which hypothesis drives Darkroom under faults."""

import sys
from collections.abc import Callable

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.faults.dynamodb import Wire
from tests.faults.events import (
    Cancel,
    Double,
    Event,
    Loss,
    Message,
    Minute,
    Request,
    Resume,
    Run,
    Start,
    Stop,
    Time,
    Trouble,
    events,
)
from tests.faults.invariants import Invariants
from tests.faults.rest import come_to_rest
from tests.faults.scheduler import Outcome, Process
from tests.faults.world import World

Invocation = Request | Message | Minute | Cancel | Stop | Start | Resume


class Faults(RuleBasedStateMachine):
    """Requests, invocations, messages, time, GPU troubles, and calls that fail."""

    restart: Callable[[], None] = lambda: None  # job ids from the first
    most_jobs = 6

    def __init__(self) -> None:
        super().__init__()
        type(self).restart()
        self.world = self.new_world()
        self.scheduler = self.world.scheduler
        self.wire = Wire(self.scheduler).__enter__()
        self.checks = self.new_checks()

    def new_world(self) -> World:
        return World(hosts=2)

    def new_checks(self) -> Invariants:
        return Invariants(self.world, self.wire)

    @initialize(
        hosts=st.sampled_from([1, 2]),
        fleet_max=st.sampled_from([1, 2]),
        is_on=st.booleans(),
        most_jobs=st.sampled_from([1, 2, 3, 6]),
    )
    def set_up_world(self, hosts: int, fleet_max: int, is_on: bool, most_jobs: int) -> None:  # noqa: FBT001
        self.most_jobs = most_jobs
        self.world.fleet_max = fleet_max
        self.world.keep_hosts(hosts)
        if is_on:
            for host in self.world.hosts:
                host.start(self.scheduler.now)
            self.scheduler.advance_to(self.scheduler.now + 60)

    # One rule for all events: hypothesis leaves out whole rules in most examples.
    @rule(event=events)
    def handle(self, event: Event) -> None:
        messages, hosts = self.world.queue.messages, self.world.hosts
        match event:
            case Run(invocation, skew, calls, then):
                self.world.skew = skew
                self.play(self._process(invocation), [Outcome.DONE] * calls + [then])
            case Time(seconds):
                self.scheduler.advance_to(self.scheduler.now + seconds)
            case Loss(which) if which < len(messages):
                self.world.lose(messages[which])
            case Double(which) if which < len(messages):
                self.world.double(messages[which])
            case Trouble(host, what) if host < len(hosts):
                self.world.trouble(hosts[host], what)

    @invariant()
    def check_always(self) -> None:
        self.checks.check_always()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.come_to_rest()
                self.checks.check_at_rest()
        finally:
            for line in self.scheduler.journal:
                note(line)
            while self.scheduler.processes:  # the threads of an invocation die together
                self.scheduler.resume(self.scheduler.processes[0], Outcome.CRASHED)
            self.wire.__exit__()

    def come_to_rest(self) -> None:
        come_to_rest(self.world, self.checks)

    def play(self, process: Process | None, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if process and process.is_live:
                self.scheduler.resume(self.scheduler.thread_of(process), outcome)

    def _process(self, invocation: Invocation) -> Process | None:
        jobs, visible = self.checks.job_ids(), self.world.queue.visible()
        live = self.scheduler.processes
        match invocation:
            case Request(caller, key, wait) if len(jobs) < self.most_jobs:
                return self.world.request(caller=caller, key=key, wait=wait)
            case Message(which) if visible:
                return self.world.deliver(visible[which % len(visible)])
            case Minute():
                return self.world.reconcile()
            case Cancel(which) if which < len(jobs):
                return self.world.cancel(jobs[which])
            case Stop(at_once, for_seconds):
                return self.world.stop(at_once=at_once, for_seconds=for_seconds)
            case Start():
                return self.world.start()
            case Resume(which) if live:
                return live[which % len(live)]
        return None
