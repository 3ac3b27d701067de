"""Concurrent requests of one API key on a virtual clock."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from chalicelib.errors import TooManyRequests
from chalicelib.models import table
from tests.models.allowances import allowance_of
from tests.services.fakes import Parts
from tests.virtual.clock import VirtualClock
from tests.virtual.dynamodb import VirtualDynamoDB

CALL_SECONDS = 0.005


@contextmanager
def asleep_on(clock: VirtualClock) -> Iterator[None]:
    """Have the tables sleep on a clock."""
    before, table.sleep = table.sleep, clock.sleep
    try:
        yield
    finally:
        table.sleep = before


def accept_at_once(
    clock: VirtualClock, count: int, *, limit: int
) -> tuple[list[float], Counter[str]]:
    """Submit requests at once; return the seconds of each that is accepted, and all calls."""
    parts, seconds = Parts(clock=clock), list[float]()

    def accept() -> None:
        began = clock()
        with suppress(TooManyRequests):
            parts.submit(wait_seconds=0, owner="one", allowance=allowance_of("one", limit))
            seconds.append(clock() - began)

    with asleep_on(clock), VirtualDynamoDB(clock, call_seconds=CALL_SECONDS) as dynamodb:
        for _ in range(count):
            clock.spawn(accept)
        clock.run()
    return seconds, dynamodb.calls
