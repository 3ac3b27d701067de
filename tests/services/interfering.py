"""Steps that interrupt a driver between its calls, and a check of what a canceled job leaves."""

from collections.abc import Callable
from typing import Any

from chalicelib.gateways.comfyui.state import Waiting
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from tests.services.fakes import Parts


class Crash(BaseException):
    """Ends a process; no handler catches it."""


def watch(thing: object, *names: str, step: Callable[[], None]) -> None:
    """Call `step` before and after each call of these methods."""

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def around(*given: Any, **named: Any) -> Any:
            step()
            result = call(*given, **named)
            step()
            return result

        return around

    for name in names:
        setattr(thing, name, watched(getattr(thing, name)))


def once(act: Callable[[], object]) -> Callable[[], None]:
    """Return a step that calls `act` the first time only."""
    acts = [act]

    def step() -> None:
        while acts:
            acts.pop()()

    return step


def check_canceled(parts: Parts, job_id: str) -> None:
    job = Job.find(job_id)
    assert (job.status, job.error["code"], job.images) == ("canceled", "canceled", [])
    assert job.finished_at is not None
    assert parts.images.stored == parts.images.provenance == {}
    assert not [state for state in parts.comfyui.known.values() if isinstance(state, Waiting)]
    assert queue.first(10) == []
