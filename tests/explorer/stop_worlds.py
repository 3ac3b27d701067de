"""The worlds that are explored: an administrator stops the GPUs, and starts them."""

from math import inf

from tests.explorer.world import Checks, Explored
from tests.faults.aws import Host
from tests.faults.dynamodb import Wire
from tests.faults.scheduler import Process

_AT_LEAST_SECONDS = 30  # for which an instance is on after it was started at a caller's request


class StopAgainstBoot(Explored):
    """The GPUs are stopped when one has booted, and its follower takes a job."""

    window = (50, 61)
    ends_within = 400

    def set_up(self) -> None:
        self.reconciler_at = self.scheduler.now + 120
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(55, lambda: self.stop(at_once=False, for_seconds=0))


class StopWhileRunning(Explored):
    """The GPUs are stopped while an image is made."""

    window = (3, 9)
    run_seconds = 10

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 60
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(3, lambda: self.stop(at_once=False, for_seconds=0))


class StopAgainstDriver(Explored):
    """A job that its caller waits for comes when the GPUs are stopped at once."""

    window = (0, 6)

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 60
        self.at(0, lambda: self.request(caller="a", key=None, wait=25))
        self.at(0, lambda: self.stop(at_once=True, for_seconds=0))


class StopAgainstSuccess(Explored):
    """The GPUs are stopped at once when an image is ready."""

    window = (3, 8)

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 60
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(3, lambda: self.stop(at_once=True, for_seconds=0))


class StopAgainstRestart(Explored):
    """The GPUs are stopped at once when a job gets another attempt, as ComfyUI lost its image."""

    window = (4, 10)

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 60
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(1, lambda: self.hosts[0].comfyui.stop())
        self.at(1, lambda: setattr(self.hosts[0].comfyui, "is_up", True))
        self.at(5, lambda: self.stop(at_once=True, for_seconds=0))


class StopAgainstStart(Explored):
    """Jobs come when the GPUs are stopped for some time, and a start for them is under way."""

    count = 2
    ends_within = 400
    window = (0, 6)

    def set_up(self) -> None:
        self.reconciler_at = self.scheduler.now + 60
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.stop(at_once=False, for_seconds=50))
        self.at(2, lambda: self.request(caller="b", key=None, wait=0))


class StartChecks(Checks):
    """The checks of a world in which a caller starts an instance."""

    started_at = -inf

    def _check_stop(self, host: Host) -> None:
        super()._check_stop(host)
        is_new = self._world.scheduler.now < self.started_at + _AT_LEAST_SECONDS
        is_requested = "stop_requested_at" in self._item(host)
        assert is_requested or not is_new, f"{host.id} was started, and is stopped"


class StartAgainstStop(Explored):
    """An administrator starts what was just to be stopped."""

    window = (0, 6)

    def checks(self, wire: Wire) -> StartChecks:
        self._start_checks = StartChecks(self, wire)
        return self._start_checks

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.stop(at_once=False, for_seconds=30))
        self.at(0, self._start)

    def _start(self) -> None:
        process = self.start()
        ended = process.on_end

        def on_end(process: Process) -> None:
            if process.error is None:
                self._start_checks.started_at = self.scheduler.now
            ended(process)

        process.on_end = on_end


STOP_WORLDS: dict[str, type[Explored]] = {
    "stop-boot": StopAgainstBoot,
    "stop-running": StopWhileRunning,
    "stop-driver": StopAgainstDriver,
    "stop-success": StopAgainstSuccess,
    "stop-restart": StopAgainstRestart,
    "stop-start": StopAgainstStart,
    "start-stop": StartAgainstStop,
}
