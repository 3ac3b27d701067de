"""Worlds on virtual clocks: their tables, processes that die, and what they leave behind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from tests.conftest import empty_aws
from tests.virtual.accepting import asleep_on
from tests.virtual.clock import VirtualClock
from tests.virtual.dispatch import World
from tests.virtual.dynamodb import VirtualDynamoDB
from tests.virtual.memory import Memory, Saved
from tests.virtual.memory.tables import Lag


class MortalClock(VirtualClock):
    """A clock on which a process can die: its threads then sleep for ever."""

    def __init__(self) -> None:
        super().__init__()
        self._dead: set[str] = set()

    def begin(self, process: str) -> None:
        """Let the current thread, and all that it spawns, belong to a process."""
        self._here.process = process

    @property
    def process(self) -> str:
        return str(getattr(self._here, "process", ""))

    def kill(self, process: str) -> None:
        self._dead.add(process)

    def spawn(self, work: Callable[[], object]) -> None:
        process = self.process

        def live() -> None:
            self._here.process = process
            work()

        super().spawn(live)

    def sleep(self, seconds: float) -> None:
        super().sleep(inf if self.process in self._dead else seconds)


class MortalWorld(World):
    """A world whose followers can die. `at` does something at a time."""

    clock: MortalClock
    dynamodb: VirtualDynamoDB

    def _work(self, body: str) -> None:
        self.clock.begin(f"{body} at {self.clock():.3f}")
        super()._work(body)

    def _reconcile(self, until: float) -> None:
        self.clock.begin("reconciler")
        super()._reconcile(until)

    def kill_followers(self) -> None:
        """Let all workers that have begun die."""
        for at, body in self.invocations:
            self.clock.kill(f"{body} at {at:.3f}")
        self._active = 0

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something after this many seconds of `run`."""

        def wait() -> None:
            self.clock.sleep(seconds)
            act()

        self.clock.spawn(wait)

    def request(self, owner: str = "a", count: int = 1, **how: Any) -> list[str]:
        """Put jobs into the queue and tell of them, as the API does."""
        ids = self.queue_up(owner, count, **how)
        self.function().demand.tell(count)
        return ids

    @property
    def messages(self) -> list[str]:
        """The messages that are left."""
        return [body for _, _, body in self._messages]

    @property
    def working(self) -> int:
        """How many workers run."""
        return self._active


@contextmanager
def world_of(
    gpus: int, *, backlog: Saved | None = None, lag: Lag | None = None, **how: Any
) -> Iterator[MortalWorld]:
    """Return a world with tables of its own, a call of which takes about 5 ms.

    They contain a `backlog` at first. With `lag`, indexes show a write so many seconds later.
    """
    clock = MortalClock()
    memory = Memory(clock, lag)
    with empty_aws(memory):
        if backlog:
            memory.restore(backlog)
        world = MortalWorld(gpus, clock=clock, **how)
        with asleep_on(clock), VirtualDynamoDB(clock, call_seconds=0.005) as world.dynamodb:
            yield world


def statuses(ids: list[str]) -> set[str]:
    return {str(Job.find(each).status) for each in ids}


def holders(name: str = "i-00") -> set[str]:
    """Return the jobs that have a slot on an instance."""
    return InstanceRecord.read(name).slot_holders
