"""A clock that only sleeping threads move: hours pass in seconds, always in the same order."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Any


class VirtualClock:
    """Runs work in threads, one at a time: the one that wakes first."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self._sleepers: list[tuple[float, int, threading.Lock]] = []
        self._numbers = count()
        self._here = threading.local()
        self._parked = threading.Lock()
        self._parked.acquire()
        self._errors: list[BaseException] = []

    def __call__(self) -> float:
        return self.now

    @property
    def process(self) -> str:
        """The process of the current thread; here all threads belong to one."""
        return ""

    def spawn(self, work: Callable[[], object]) -> None:
        """Start work in a thread of its own at the current time."""
        wake = self._fall_asleep(0)

        def live() -> None:
            self._here.wake = wake
            wake.acquire()
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - `run` raises it
                self._errors.append(error)
            self._parked.release()

        threading.Thread(target=live, daemon=True).start()

    def together(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Do all of the work in threads of the clock, wait for all, and return the results."""
        if len(works) < 2:
            return [work() for work in works]
        results, errors = dict[int, Any](), list[BaseException]()
        is_done = [False] * len(works)
        here = self._fall_asleep(float("inf")) if hasattr(self._here, "wake") else None

        def do(index: int, work: Callable[[], Any]) -> None:
            try:
                results[index] = work()
            except Exception as error:  # noqa: BLE001 - raised when all have ended
                errors.append(error)
            is_done[index] = True
            if here and all(is_done):
                self._wake(here)

        for index, work in enumerate(works):
            self.spawn(partial(do, index, work))
        if here is None:
            self.run()
        elif works:
            self._here.wake = here
            self._parked.release()
            here.acquire()
        if errors:
            raise errors[0]
        return [results[index] for index in range(len(works))]

    def _wake(self, wake: threading.Lock) -> None:
        """Let a sleeper go on at the current time."""
        self._sleepers = [each for each in self._sleepers if each[2] is not wake]
        heapify(self._sleepers)
        heappush(self._sleepers, (self.now, next(self._numbers), wake))

    def sleep(self, seconds: float) -> None:
        """Let other threads run until this many seconds have passed."""
        if not hasattr(self._here, "wake"):
            self.now += seconds
            return
        self._here.wake = self._fall_asleep(seconds)
        self._parked.release()
        self._here.wake.acquire()

    advance = sleep

    def run(self, until: float = inf) -> None:
        """Run until all work is done, or until a time; raise the first error of a thread."""
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, wake = heappop(self._sleepers)
            self.now = max(self.now, at)
            wake.release()
            self._parked.acquire()
            if self._errors:
                raise self._errors[0]

    def _fall_asleep(self, seconds: float) -> threading.Lock:
        wake = threading.Lock()
        wake.acquire()
        heappush(self._sleepers, (self.now + seconds, next(self._numbers), wake))
        return wake
