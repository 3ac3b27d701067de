"""A clock that only those move who sleep on it: hours pass in seconds, in the same order always."""

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class VirtualClock:
    """Runs work in threads, of which one goes on at a time: the one that wakes first."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self._sleepers: list[tuple[float, int, threading.Lock]] = []
        self._numbers = count()
        self._here = threading.local()
        self._back = threading.Lock()
        self._back.acquire()
        self._errors: list[BaseException] = []

    def __call__(self) -> float:
        return self.now

    def spawn(self, work: Callable[[], object]) -> None:
        """Have work done from now on."""
        baton = self._fall_asleep(0)

        def live() -> None:
            self._here.baton = baton
            baton.acquire()
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - `run` raises it
                self._errors.append(error)
            self._back.release()

        threading.Thread(target=live, daemon=True).start()

    def sleep(self, seconds: float) -> None:
        """Let others go on until so much time has passed."""
        if not hasattr(self._here, "baton"):
            self.now += seconds
            return
        self._here.baton = self._fall_asleep(seconds)
        self._back.release()
        self._here.baton.acquire()

    advance = sleep

    def run(self) -> None:
        """Go on until all work is done; raise what somebody raised."""
        while self._sleepers:
            at, _, baton = heappop(self._sleepers)
            self.now = max(self.now, at)
            baton.release()
            self._back.acquire()
            if self._errors:
                raise self._errors[0]

    def _fall_asleep(self, seconds: float) -> threading.Lock:
        baton = threading.Lock()
        baton.acquire()
        heappush(self._sleepers, (self.now + seconds, next(self._numbers), baton))
        return baton
