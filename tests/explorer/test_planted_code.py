"""Defects that are planted in the code beside its conditions: the explorer finds each."""

from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.services.gpus import dispatcher
from chalicelib.services.jobs import attempts, submit
from chalicelib.services.jobs.cleanup import Cleanup
from tests.explorer.building import run_of
from tests.explorer.choices import Bounds
from tests.explorer.search import Limits, Search, Violation
from tests.explorer.seen import Seen
from tests.explorer.worlds import WORLDS
from tests.faults.scheduler import Process


def _found(world: str, choices: int, *calls: str) -> Violation | None:
    """Return the violation in a world, if choices are made at some calls."""

    def is_near(process: Process) -> bool:
        return process.at.startswith(calls)

    with run_of(WORLDS[world]) as run:
        run.focus = is_near
        return Search(run, Seen(), Limits()).within(Bounds(choices)).violation


@pytest.mark.parametrize(
    ("owner", "name", "instead", "where"),
    [
        (submit, "_LOOK_SECONDS", (), ("same-key-last", 1, "TransactWriteItems")),
        (attempts, "_check_lease", lambda *_: None, ("slow-driver", 1, "GetItem jobs parameters")),
        (Cleanup, "_may_be_stored", lambda *_: False, ("cancel-inline", 2, "GET", "s3 put")),
        (dispatcher, "is_lost", lambda *_: True, ("silent-of-two", 0, "no call")),
    ],
    ids=[
        "a repeated request does not wait for its twin",
        "a driver does not look at its lease before it submits",
        "a canceled job frees its slot while its image may be stored",
        "a ComfyUI counts as lost at its first silent moment",
    ],
)
def test_a_defect_in_the_code_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, instead: Any, where: Sequence[Any]
) -> None:
    world, choices, *calls = where
    assert _found(world, choices, *calls) is None
    monkeypatch.setattr(owner, name, instead)
    assert _found(world, choices, *calls) is not None
