"""The prompts that wait, run and have ended; they are in memory, and lost at a restart."""

import copy
import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from local.comfyui.graph import Graph

LONGEST_HISTORY = 10_000


class Prompt(NamedTuple):
    """An item of the queue; items are ordered by their number first."""

    number: float
    id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: list[str]


class Prompts:
    """The queue and the history; every method may be called from any thread."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._changed = threading.Condition(threading.RLock())
        self._pending: list[Prompt] = []
        self._running: dict[int, Prompt] = {}
        self._history: dict[str, dict[str, Any]] = {}
        self._flags: set[str] = set()
        self._keys = itertools.count()

    def put(self, prompt: Prompt) -> None:
        """Queue a prompt. The same number and id twice raise TypeError, but are queued."""
        with self._changed:
            heapq.heappush(self._pending, prompt)
            self._on_change()
            self._changed.notify()

    def take(self, is_stopping: Callable[[], bool]) -> tuple[int, Prompt] | None:
        """Wait for the next prompt; return None if flags are set or the server stops."""
        with self._changed:
            while not (self._pending or self._flags or is_stopping()):
                self._changed.wait()
            if not self._pending or is_stopping():
                return None
            prompt, key = heapq.heappop(self._pending), next(self._keys)
            self._running[key] = copy.deepcopy(prompt)
            self._on_change()
            return key, prompt

    def notify(self) -> None:
        """Let a thread that waits in `take` return."""
        with self._changed:
            self._changed.notify_all()

    def finish(self, key: int, result: dict[str, Any]) -> None:
        """Move a running prompt to the history."""
        with self._changed:
            prompt = self._running.pop(key)
            if len(self._history) > LONGEST_HISTORY:
                self._history.pop(next(iter(self._history)))
            self._history[prompt.id] = {"prompt": prompt, **result}
            self._on_change()

    @property
    def remaining(self) -> int:
        """The number of prompts that wait or run."""
        with self._changed:
            return len(self._pending) + len(self._running)

    @property
    def running(self) -> list[Prompt]:
        """The running prompt: none or one."""
        with self._changed:
            return list(self._running.values())

    @property
    def pending(self) -> list[Prompt]:
        """The waiting prompts, in the order of a heap, which is not the order in which they run."""
        with self._changed:
            return list(self._pending)

    def clear(self) -> None:
        """Delete all waiting prompts."""
        with self._changed:
            self._pending.clear()
            self._on_change()

    def delete(self, prompt_id: str) -> None:
        """Delete one waiting prompt; it does not appear in the history."""
        with self._changed:
            for index, prompt in enumerate(self._pending):
                if prompt.id == prompt_id:
                    del self._pending[index]
                    heapq.heapify(self._pending)
                    self._on_change()
                    return

    def history(self, max_items: int | None, offset: int | None) -> dict[str, Any]:
        """Return a part of the history, oldest first; without an offset, the newest items."""
        with self._changed:
            if offset is None or offset < 0:
                offset = max(0, len(self._history) - max_items) if max_items is not None else 0
            end = None if max_items is None else offset + max(1, max_items)
            return dict(itertools.islice(self._history.items(), offset, end))

    def entry(self, prompt_id: str) -> dict[str, Any]:
        """Return `{id: entry}` of a prompt that has ended, else `{}`."""
        with self._changed:
            return {prompt_id: self._history[prompt_id]} if prompt_id in self._history else {}

    def clear_history(self) -> None:
        """Delete all prompts that have ended."""
        with self._changed:
            self._history.clear()

    def delete_entry(self, prompt_id: str) -> None:
        """Delete one prompt that has ended."""
        with self._changed:
            self._history.pop(prompt_id, None)

    def flag(self, name: str) -> None:
        """Set a flag that the worker reads between two prompts."""
        with self._changed:
            self._flags.add(name)
            self._changed.notify()

    def take_flags(self) -> set[str]:
        """Return the flags that were set since the last call, and clear them."""
        with self._changed:
            flags, self._flags = self._flags, set()
            return flags
