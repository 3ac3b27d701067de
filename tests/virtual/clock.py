"""A clock that only sleeping threads move: hours pass in seconds, always in the same order."""

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


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

    def sleep(self, seconds: float) -> None:
        """Let other threads run until this many seconds have passed."""
        if not hasattr(self._here, "wake"):
            self.now += seconds
            return
        self._here.wake = self._fall_asleep(seconds)
        self._parked.release()
        self._here.wake.acquire()

    advance = sleep

    def run(self) -> None:
        """Run until all work is done; raise the first error of a thread."""
        while self._sleepers:
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
