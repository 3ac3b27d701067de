"""Wait for jobs that others drive, with few reads."""

import logging
from collections.abc import Callable

from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import found

log = logging.getLogger("darkroom.awaiting")

# The pauses between two reads: they grow while no job changes its status.
_FIRST_SECONDS = 0.25
_GROWTH = 1.3
_LONGEST_SECONDS = 2.0


class Awaiting:
    def __init__(self, clock: Callable[[], float], pause: Callable[[float], None]) -> None:
        self._clock = clock
        self._pause = pause

    def wait(self, jobs: list[Job], *, until: float) -> list[Job]:
        """Read jobs until all have ended, or until a time; return them as they were last."""
        seconds = _FIRST_SECONDS
        while (left := until - self._clock()) > 0 and any(job.is_open for job in jobs):
            self._pause(min(seconds, left))
            known, jobs = jobs, self._read(jobs)
            has_changed = [job.status for job in known] != [job.status for job in jobs]
            seconds = _FIRST_SECONDS if has_changed else min(seconds * _GROWTH, _LONGEST_SECONDS)
        return jobs

    def _read(self, jobs: list[Job]) -> list[Job]:
        try:
            read = {job.id: job for job in found(job.id for job in jobs)}
        except Exception:  # they are read again
            log.exception("jobs could not be read")
            return jobs
        return [read.get(job.id, job) for job in jobs]
