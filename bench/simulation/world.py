"""Jobs, a queue, a reconciler and GPUs on a virtual clock; the product's code makes the decisions.

Simpler than the product: all GPUs share one queue and each runs one job at a time, so slots do not
matter; nothing fails; an instance stops at once, and EC2 always has capacity.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from bench.simulation.instances import Instance, Spent
from bench.simulation.traces import RUN_SECONDS, Job
from chalicelib.services.gpus.scaling import Limits, is_needed, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.simulation.policies import Policy
    from bench.simulation.settings import Setting


class Outcome(NamedTuple):
    """The billed seconds, and how long each job waited before it ran."""

    spent: Spent
    waits: list[float]


class World:
    """The simulation, from the first second until the last job is done and `end` is past."""

    def __init__(self, setting: Setting, policy: Policy) -> None:
        self._setting = setting
        self._policy = policy
        self._limits = Limits(setting.fleet_max, setting.scale_wait_seconds)
        self._spent = Spent()
        self._fleet = [Instance(setting, self._spent) for _ in range(setting.fleet_max)]
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._queue: deque[Job] = deque()
        self._waits: list[float] = []
        self._running = 0
        self._idle_since: float | None = None

    def run(self, jobs: Sequence[Job], end: float) -> Outcome:
        """Run the jobs; stop and bill the instances that are on at the end."""
        if self._policy.is_always_on:
            self._start(-self._setting.boot_seconds)
        for job in jobs:
            self._at(job.arrives, lambda now, job=job: self._arrive(now, job))
        self._at(0.0, self._reconcile)
        now = 0.0
        while self._events and (now < end or len(self._waits) < len(jobs) or self._running):
            now, _, happens = heappop(self._events)
            happens(now)
        for each in self._on():
            each.stop(max(now, end))
        return Outcome(self._spent, self._waits)

    def _at(self, when: float, happens: Callable[[float], None]) -> None:
        heappush(self._events, (when, next(self._order), happens))

    def _on(self) -> list[Instance]:
        return [each for each in self._fleet if each.is_on]

    @property
    def _open_jobs(self) -> int:
        return len(self._queue) + self._running

    def _arrive(self, now: float, job: Job) -> None:
        if self._idle_since is not None:
            self._policy.learn(now - self._idle_since)
            self._idle_since = None
        self._queue.append(job)
        self._scale(now)
        self._dispatch(now)

    def _reconcile(self, now: float) -> None:
        self._at(now + self._setting.reconciler_seconds, self._reconcile)
        self._scale(now)
        for each in self._on():
            if each.idle_since is not None and self._may_stop(now - each.idle_since):
                each.stop(now)

    def _may_stop(self, idle_seconds: float) -> bool:
        is_due = idle_seconds >= self._policy.limit_seconds
        return is_due and not is_needed(on=len(self._on()), open_jobs=self._open_jobs)

    def _scale(self, now: float) -> None:
        missing = wanted(self._open_jobs, RUN_SECONDS, self._limits) - len(self._on())
        for _ in range(missing):
            self._start(now)

    def _start(self, now: float) -> None:
        instance = next(each for each in self._fleet if not each.is_on)
        self._at(instance.start(now), lambda ready: self._rest(ready, instance))

    def _rest(self, now: float, instance: Instance) -> None:
        instance.idle_since = now
        self._dispatch(now)

    def _dispatch(self, now: float) -> None:
        """Give the first jobs of the queue to the instances that became idle last."""
        idle = [each for each in self._fleet if each.idle_since is not None]
        for instance in sorted(idle, key=lambda each: -(each.idle_since or 0)):
            if self._queue:
                self._work(now, instance, self._queue.popleft())

    def _work(self, now: float, instance: Instance, job: Job) -> None:
        self._waits.append(now - job.arrives)
        self._running += 1
        self._at(instance.work(now, job.run_seconds), lambda end: self._end(end, instance))

    def _end(self, now: float, instance: Instance) -> None:
        self._running -= 1
        if not self._open_jobs:
            self._idle_since = now
        self._rest(now, instance)
