"""The schedule of a fault run, and the faults that were injected."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from local.chaos.damage import Damage, Stack

Say = Callable[[str], None]


class Plan(NamedTuple):
    """How often a fault is injected, and between which seconds after the first image."""

    name: str
    act: Callable[[Damage], int]
    times: int
    first: float
    last: float


# A follower that is killed holds its lease for up to 28 s more, and its jobs theirs for up to 45 s.
_ALWAYS = (
    Plan("messages duplicated", Damage.duplicate_messages, 12, 5, 110),
    Plan("messages lost", Damage.lose_messages, 20, 3, 100),
    Plan("queue purged", Damage.purge_queue, 3, 30, 90),
    Plan("API functions killed", Damage.kill_api, 10, 5, 110),
    Plan("API functions frozen", Damage.freeze_api, 5, 5, 80),
)

_ONE_GPU = (
    Plan("ComfyUI killed", Damage.kill_comfyui, 2, 6, 12),
    Plan("ComfyUI's worker killed", Damage.wedge_comfyui, 1, 13, 20),
    # Before 105 s the reconciler must find that ComfyUI does not work, and stop its instance.
    Plan("ComfyUI killed", Damage.kill_comfyui, 6, 105, 135),
    Plan("ComfyUI frozen", Damage.freeze_comfyui, 2, 105, 125),
    Plan("instance stopped", Damage.stop_instance, 2, 110, 135),
    Plan("worker functions killed", Damage.kill_worker, 8, 5, 80),
    Plan("worker functions frozen", Damage.freeze_worker, 3, 5, 40),
)

# Each follower that is lost costs its GPU about half a minute; the others go on.
_SEVERAL_GPUS = (
    Plan("ComfyUI killed", Damage.kill_comfyui, 8, 5, 110),
    Plan("ComfyUI's worker killed", Damage.wedge_comfyui, 1, 5, 30),
    Plan("ComfyUI frozen", Damage.freeze_comfyui, 4, 5, 110),
    Plan("ComfyUI frozen until it is stopped", Damage.hang_comfyui, 1, 10, 20),
    Plan("instance stopped", Damage.stop_instance, 3, 20, 110),
    Plan("worker functions killed", Damage.kill_worker, 8, 3, 110),
    Plan("worker functions frozen", Damage.freeze_worker, 3, 5, 60),
)


def plans(gpus: int) -> tuple[Plan, ...]:
    """Return the faults of a run with so many GPUs."""
    return (*(_ONE_GPU if gpus == 1 else _SEVERAL_GPUS), *_ALWAYS)


class Injected(NamedTuple):
    """A fault, its time, and how many things it hit."""

    at: float
    name: str
    hits: int


class Faults:
    """Injects faults at times drawn in advance, in its own thread."""

    def __init__(self, stack: Stack, chance: Random, say: Say) -> None:
        self._damage = Damage(stack, chance)
        self._say = say
        self._plans = plans(len(stack.gpus))
        self._is_over = threading.Event()
        self._schedule = sorted(
            (
                (chance.uniform(plan.first, plan.last), plan)
                for plan in self._plans
                for _ in range(plan.times)
            ),
            key=lambda each: each[0],
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.log: list[Injected] = []

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait until the last fault is injected."""
        self._thread.join()

    def stop(self) -> None:
        """Inject no more faults, and resume all frozen processes."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._damage.end()

    @property
    def counts(self) -> dict[str, int]:
        """The number of things hit, by the name of the fault."""
        counts: Counter[str] = Counter({plan.name: 0 for plan in self._plans})
        for fault in self.log:
            counts[fault.name] += fault.hits
        return dict(counts)

    def _run(self) -> None:
        began = time.monotonic()
        for at, plan in self._schedule:
            if self._is_over.wait(max(at - (time.monotonic() - began), 0)):
                return
            try:
                hits = plan.act(self._damage)
            except Exception as error:  # noqa: BLE001  # a part that was broken may not answer
                self._say(f"not possible now: {plan.name} ({type(error).__name__})")
                continue
            self.log.append(Injected(time.time(), plan.name, hits))
