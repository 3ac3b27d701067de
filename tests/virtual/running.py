"""Schedules that fire at the same minute, on a virtual clock."""

from collections.abc import Callable
from typing import Any, NamedTuple

from chalicelib.models.schedules.schedule import Content, Schedule
from chalicelib.services.schedules.conditions import Delivery
from tests.services.schedules.fakes import Scheduling
from tests.virtual.accepting import CALL_SECONDS, asleep_on
from tests.virtual.clock import VirtualClock
from tests.virtual.dynamodb import VirtualDynamoDB

SQS_SECONDS = 0.008


class Outcome(NamedTuple):
    """When each run was accepted, and how long each request of another caller took, in seconds."""

    accepted: list[float]
    others: list[float]


class Queue:
    """SQS, a call of which takes some time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def send(self, body: str, *, delay_seconds: int = 0) -> None:
        self._clock.sleep(SQS_SECONDS)


def run_at_once(count: int, *, concurrency: int) -> Outcome:
    """Have `count` schedules of one key fire at once, with this many functions for runs."""
    writer = Scheduling()
    made = writer.create(expression="cron(0 * * * ? *)")
    at = float(made.next_run_at)
    _copy(made, count)
    messages = [Delivery(f"{number:026d}", at, at) for number in range(count)]
    clock, accepted, others = VirtualClock(at), list[float](), list[float]()
    with asleep_on(clock), VirtualDynamoDB(clock, call_seconds=CALL_SECONDS):
        for _ in range(concurrency):
            clock.spawn(_consumer(_function(clock), messages, accepted))
        clock.spawn(_caller(_function(clock), messages, others))
        clock.run()
    return Outcome([each - at for each in accepted], others)


def accept_alone(count: int) -> list[float]:
    """Have a caller send requests one after the other; return how long each takes."""
    clock, seconds = VirtualClock(), list[float]()
    with asleep_on(clock), VirtualDynamoDB(clock, call_seconds=CALL_SECONDS):
        clock.spawn(_caller(_function(clock), [None] * count, seconds, takes=True))
        clock.run()
    return seconds


def _copy(made: Schedule, count: int) -> None:
    content = made.content
    for number in range(count):
        made.id = f"{number:026d}"
        made.save()
        Content.new(made.id, content.request, content.prompts).save()


def _function(clock: VirtualClock) -> Scheduling:
    return Scheduling(clock=clock, queue=Queue(clock))


def _consumer(
    function: Scheduling, messages: list[Delivery], accepted: list[float]
) -> Callable[[], None]:
    def work() -> None:
        while messages:
            function.runs.deliver(messages.pop())
            accepted.append(function.clock())

    return work


def _caller(
    function: Scheduling, left: list[Any], seconds: list[float], *, takes: bool = False
) -> Callable[[], None]:
    """Return a caller that sends requests while something is left; it may take one each time."""

    def work() -> None:
        while left:
            began = function.clock()
            function.submit(wait_seconds=0, owner="another")
            seconds.append(function.clock() - began)
            if takes:
                left.pop()

    return work
