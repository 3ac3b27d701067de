"""Orders of calls that the explorer once found to be wrong."""

import pytest

from tests.explorer.building import run_of
from tests.explorer.choices import Bounds
from tests.explorer.search import Limits, Search
from tests.explorer.seen import Seen
from tests.explorer.worlds import WORLDS
from tests.faults.scheduler import Process

# World, choices, and the calls at which they are made.
FOUND = {
    "a driver that is held up after it looked at its lease submits nothing": (
        ("slow-driver", 1, "GetItem jobs parameters")
    ),
    "a worker that has lost its lease before it begins ends without an error": (
        ("inline", 1, "UpdateItem fleet i-1", "sqs send i-1 check", "start")
    ),
    "a reconciler that is held up books no time in which the instance was off": (
        ("two-reconcilers-later", 1, "UpdateItem fleet i-1")
    ),
    "a start that is held up does not note an instance as off that another one has started": (
        ("still-stopping", 1, "Scan fleet")
    ),
    "a slot is freed whose job was taken elsewhere when its driver had died": (
        ("free-gpu", 1, "UpdateItem jobs 01")
    ),
    "a driver that stores the image of a canceled job and dies leaves no image": (
        ("cancel-success", 2, "listen", "s3 ", "UpdateItem jobs 01")
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_an_order_that_was_once_wrong_is_right(what: str) -> None:
    world, choices, *calls = FOUND[what]

    def is_near(process: Process) -> bool:
        return process.at.startswith(tuple(calls))

    with run_of(WORLDS[world]) as run:
        run.focus = is_near
        found = Search(run, Seen(), Limits()).within(Bounds(choices))
    assert found.orders > 1
    assert found.violation is None
