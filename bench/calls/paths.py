"""What one waits for: the longest sequence of calls, followed through threads.

A thread continues the path of the one that started it. Who waits for a thread or a future goes on
with the longer of both paths. How long calls take here plays no part: a slow fake makes a call
neither overlap others nor follow them.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock, Thread, current_thread
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary


class Path(NamedTuple):
    """Calls in sequence: the most of them, and the longest time that they take with latencies."""

    round_trips: int = 0
    milliseconds: float = 0.0

    def then(self, milliseconds: float) -> "Path":
        return Path(self.round_trips + 1, self.milliseconds + milliseconds)

    def longer(self, other: "Path") -> "Path":
        return Path(
            max(self.round_trips, other.round_trips), max(self.milliseconds, other.milliseconds)
        )


class Paths:
    """The path of each thread since the last `begin`."""

    def __init__(self) -> None:
        self._taking = Lock()
        self.begin()

    def begin(self) -> None:
        self._threads: WeakKeyDictionary[Thread, Path] = WeakKeyDictionary()
        self._pools: WeakKeyDictionary[ThreadPoolExecutor, list[Path]] = WeakKeyDictionary()

    def current(self) -> Path:
        """Return what the current thread has waited for."""
        return self._threads.get(current_thread(), Path())

    def add(self, milliseconds: float) -> None:
        """Record a call of the current thread."""
        self._threads[current_thread()] = self.current().then(milliseconds)

    def _continue(self, path: Path) -> None:
        self._threads[current_thread()] = self.current().longer(path)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow all threads, pools of threads and futures that are used within the block."""
        ours = {
            (Thread, "start"): self._start(Thread.start),
            (Thread, "join"): self._join(Thread.join),
            (ThreadPoolExecutor, "submit"): self._submit(ThreadPoolExecutor.submit),
            (Future, "result"): self._result(Future.result),
        }
        theirs = {(kind, name): getattr(kind, name) for kind, name in ours}
        try:
            for (kind, name), method in ours.items():
                setattr(kind, name, method)
            yield
        finally:
            for (kind, name), method in theirs.items():
                setattr(kind, name, method)

    def _start(self, start: Callable[..., None]) -> Callable[..., None]:
        def follow(thread: Thread) -> None:
            self._threads[thread] = self.current()
            start(thread)

        return follow

    def _join(self, join: Callable[..., None]) -> Callable[..., None]:
        def follow(thread: Thread, timeout: float | None = None) -> None:
            join(thread, timeout)
            if not thread.is_alive():
                self._continue(self._threads.get(thread, Path()))

        return follow

    def _submit(self, submit: Callable[..., Any]) -> Callable[..., Any]:
        def follow(pool: Any, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
            submitted, ended = self.current(), []

            def run() -> Any:
                thread, before = current_thread(), self.current()
                places = self._places(pool)
                with self._taking:
                    places.sort(key=lambda each: each.milliseconds)
                    self._threads[thread] = places.pop(0).longer(submitted)
                try:
                    return work(*args, **named)
                finally:
                    ended.append(self.current())
                    places.append(self.current())
                    self._continue(before)  # who waits for the thread waits for all of its works

            future = submit(pool, run)
            future.path = ended
            return future

        return follow

    def _places(self, pool: ThreadPoolExecutor) -> list[Path]:
        """Return the ends of what was done in each free place of a pool.

        A pool has a place for each thread that it may have. It has fewer threads where calls take
        no time: then one does several works, which would be done at once otherwise.
        """
        return self._pools.setdefault(pool, [Path()] * pool._max_workers)

    def _result(self, result: Callable[..., Any]) -> Callable[..., Any]:
        def follow(future: Any, timeout: float | None = None) -> Any:
            try:
                return result(future, timeout)
            finally:
                for path in getattr(future, "path", ()) if future.done() else ():
                    self._continue(path)

        return follow
