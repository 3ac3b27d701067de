"""Others that come between the steps of a driver, and what has to be left when all is over."""

from collections.abc import Callable
from typing import Any

from chalicelib.gateways.comfyui.state import Waiting
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from tests.services.fakes import Parts


class Crash(BaseException):
    """The end of a process, which handles nothing any more."""


def watch(thing: object, *names: str, step: Callable[[], None]) -> None:
    """Have `step` called before and after some methods."""

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
    """Make a step that acts the first time."""
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
    assert queue.first(None, 10) == []
