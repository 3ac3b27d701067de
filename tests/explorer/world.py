"""A world to explore: what is there at first, and what begins when."""

from collections.abc import Callable
from math import inf
from typing import Any, ClassVar

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from tests.explorer.transitions import Transitions
from tests.faults.dynamodb import Wire
from tests.faults.invariants import Invariants
from tests.faults.scheduler import Outcome, Process
from tests.faults.world import World

_PERIOD_SECONDS = 60  # of the reconciler
_FIRST_SECONDS = 240  # until the reconciler is called, so that it does not replace messages
_BOOT_SECONDS = 60


class Checks(Invariants):
    """The checks of jobs, and those of each write to them and to the records of instances."""

    def __init__(self, world: World, wire: Wire) -> None:
        super().__init__(world, wire)
        self._transitions = Transitions(world)
        wire.on_write = self._transitions.after_write

    def check_always(self) -> None:
        super().check_always()
        assert not self._transitions.wrong, self._transitions.wrong


class Explored(World):
    """A world with a script. Choices are made in its `window`, in seconds from its beginning."""

    count: ClassVar[int] = 1  # of its hosts
    window: ClassVar[tuple[float, float]] = (0, 10)
    ends_within: ClassVar[float] = 200  # seconds, in which all jobs end if no call fails
    slice_share: ClassVar[int] = 20  # one in so many choices is tried in the gate
    script_is_first: ClassVar[bool] = False  # before messages of the same time
    limits: ClassVar[dict[str, Any]] = {}  # of the configuration, where they differ
    run_seconds: ClassVar[float] = 2
    limit_seconds: ClassVar[float] = 7200  # in which all has to end
    limit_steps: ClassVar[int] = 20_000  # in which all has to end
    ends_once_seen: ClassVar[bool] = True  # when all jobs have ended, and the rest has been seen

    def __init__(self) -> None:
        super().__init__(self.count)
        for host in self.hosts:
            host.comfyui.run_seconds = self.run_seconds
        self._script: list[tuple[float, Callable[[], object]]] = []
        self.reconciler_at = inf

    def checks(self, wire: Wire) -> Invariants:
        """Return the checks of this world."""
        return Checks(self, wire)

    def set_up(self) -> None:
        """Prepare the world, before it is explored."""

    def turn_on(self) -> None:
        """Have all instances on and ready."""
        for host in self.hosts:
            host.start(self.scheduler.now)
        self.scheduler.advance_to(self.scheduler.now + _BOOT_SECONDS)
        for host in self.hosts:
            record = InstanceRecord(host.id)
            record.started(now=self.scheduler.now - _BOOT_SECONDS)
            record.became_ready(now=self.scheduler.now)
        self.reconciler_at = self.scheduler.now + _FIRST_SECONDS

    def finish(self, *processes: Process) -> None:
        """Let processes run to their ends."""
        for process in processes:
            while process.is_live:
                self.scheduler.resume(self.scheduler.thread_of(process), Outcome.DONE)

    def run_until(self, process: Process, call: str) -> Process:
        """Let a process run until one of its threads is about to make a call, or until it ends.

        Return that thread.
        """
        thread = process
        while process.is_live:
            thread = self.scheduler.thread_of(process)
            if thread.at.startswith(call):
                break
            self.scheduler.resume(thread, Outcome.DONE)
        return thread

    def stand(self, process: Process, seconds: float) -> None:
        """Let all threads of a process stand still for some time."""
        for each in {process, *process.group.threads}:
            each.has_stood, each.stands_until = True, self.scheduler.now + seconds

    def kill(self, name: str) -> None:
        """Kill the live processes whose names contain this."""
        for each in list(self.scheduler.processes):
            if each.is_live and name in each.name:
                self.scheduler.resume(each, Outcome.CRASHED)

    def job_id(self, number: int = 0) -> str:
        """Return the id of a job by its age."""
        jobs = sorted(Job.scan(Job.status.exists()), key=lambda job: (job.created_at, job.id))
        return str(jobs[number].id)

    def hold(self, body: str, seconds: float) -> None:
        """Let messages arrive only some seconds from now."""
        for each in self.queue.messages:
            if each.body == body:
                each.visible_at = self.scheduler.now + seconds

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Have something begin some seconds from now."""
        self._script.append((self.scheduler.now + seconds, act))

    def begin_what_is_due(self) -> None:
        """Call the reconciler each minute, deliver messages, and begin what the script says."""
        now = self.scheduler.now
        if now >= self.reconciler_at:
            self.reconciler_at = now + _PERIOD_SECONDS
            self.do_each_minute()
        if self.script_is_first:
            self._go_on_with_script()
        self.deliver_all()
        self._go_on_with_script()

    def _go_on_with_script(self) -> None:
        now = self.scheduler.now
        due = [act for at, act in self._script if at <= now]
        self._script = [each for each in self._script if each[0] > now]
        for act in due:
            act()

    def do_each_minute(self) -> None:
        self.reconcile()

    def next_at(self) -> float:
        """Return when something begins next."""
        script = [at for at, _ in self._script]
        return min([self.reconciler_at, self.next_message_at(), *script])
