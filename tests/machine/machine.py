"""A machine: a computer that is set up as an EC2 instance is, in QEMU."""

import io
import logging
import subprocess
import tarfile
import time
from pathlib import Path

from tests.machine import host, qemu
from tests.machine.place import ROOT, Place
from tests.machine.waiting import wait_until
from tests.machine.wire import Agent, Refused, monitor

log = logging.getLogger(__name__)

BOOT_SECONDS = 600


class Machine:
    """A machine with a disk and a cloud. It is off at first."""

    def __init__(self, place: Place, folder: Path, cloud: Path) -> None:
        self.place, self._cloud = place, cloud
        self.files = qemu.Files(folder)
        self.agent = Agent(self.files.agent)
        self._host: subprocess.Popen[bytes] | None = None

    @property
    def is_off(self) -> bool:
        return self._host is None or self._host.poll() is not None

    def switch_on(self, kernel_options: str = "", *, is_cable_in: bool = True) -> None:
        """Start the machine, and return before it has booted."""
        log.info("The machine is switched on %s", kernel_options)
        for socket in (self.files.monitor, self.files.agent):
            socket.unlink(missing_ok=True)
        command = qemu.command(self.files, self.place.image, kernel_options)
        command = host.command(self._cloud, self.place.authority.folder, command)
        with self.files.host_log.open("ab") as output:
            self._host = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output
            )
        wait_until(self._is_paused, 30, f"QEMU starts; see {self.files.host_log}")
        if not is_cable_in:
            self.monitor("set_link", name="nic0", up=False)
        self.monitor("cont")

    def _is_paused(self) -> bool:
        try:
            self.monitor("query-status")
        except OSError:
            return False
        return True

    def start(self, kernel_options: str = "") -> None:
        """Start the machine, and wait until it runs commands."""
        began = time.monotonic()
        self.switch_on(kernel_options)
        wait_until(self.agent.answers, BOOT_SECONDS, f"it boots; see {self.files.console}")
        log.info("It runs commands after %.0f s", time.monotonic() - began)

    def monitor(self, command: str, **arguments: object) -> None:
        """Give QEMU a command, such as `set_link`."""
        monitor(self.files.monitor, command, **arguments)

    def stop(self) -> None:
        """Press the power button, as EC2 does, and wait."""
        self.monitor("system_powerdown")
        self.wait_until_off(180)

    def cut_power(self) -> None:
        """Lose what the system has not written to the disk."""
        self.monitor("quit")
        self.wait_until_off(30)
        log.info("The power is cut")

    def wait_until_off(self, seconds: float) -> float:
        """Return how long it took."""
        began = time.monotonic()
        wait_until(lambda: self.is_off, seconds, "the machine is off")
        log.info("The machine is off, after %.0f s", time.monotonic() - began)
        return time.monotonic() - began

    def discard(self) -> None:
        """End the machine in any state."""
        if self._host and self._host.stdin:
            self._host.stdin.close()
            self._host.wait(30)

    def run(self, command: str, stdin: bytes = b"", seconds: float = 300) -> str:
        """Run a command of bash as root; return its output. A failure is an error."""
        status, output = self.attempt(command, stdin, seconds)
        assert status == 0, f"{command}: {status}\n{output}"
        return output.strip()

    def attempt(self, command: str, stdin: bytes = b"", seconds: float = 300) -> tuple[int, str]:
        """Run a command of bash as root; return its status and output."""
        pid, end = self.agent.start(command, stdin), time.monotonic() + seconds
        while (result := self.agent.result(pid)) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"Not done after {seconds:.0f} s: {command}")
            time.sleep(0.5)
        return result

    def holds(self, condition: str) -> bool:
        """Return whether a command succeeds. Raise OSError if the machine is off."""
        try:
            return self.attempt(condition)[0] == 0
        except (OSError, Refused):
            if self.is_off:
                raise
            return False  # the agent may be too busy to answer

    def wait_for(self, condition: str, seconds: float) -> None:
        """Return once a command of bash succeeds in the machine."""
        # Each look costs the machine about as much as a whole second.
        wait_until(lambda: self.holds(condition), seconds, condition, every=3)
        log.info("It holds: %s", condition)

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into a folder of the machine."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(source, source.name)
        unpack = "tar --no-same-owner --warning=no-timestamp -xzC"
        self.run(f"mkdir -p '{target}' && {unpack} '{target}'", packed.getvalue())
