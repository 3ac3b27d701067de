"""Child processes that end with this process, and the ports that they listen on."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local.stack.tether import STOP_SECONDS

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"


class Process:
    """A command that `local.stack.tether` runs, with its output in a log file."""

    def __init__(
        self, command: list[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._tether = subprocess.Popen(
                [sys.executable, "-m", "local.stack.tether", *command],
                cwd=ROOT,
                env={**(os.environ if environment is None else environment)},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                # Ctrl-C must reach this process only, which stops its children in order.
                start_new_session=True,
            )

    @property
    def is_alive(self) -> bool:
        return self._tether.poll() is None

    def stop(self) -> None:
        """Ask the command to end, and wait until it has ended."""
        if self._tether.stdin:
            self._tether.stdin.close()
        self._tether.wait(STOP_SECONDS + 5)


def free_port(preferred: int) -> int:
    """Return the preferred port, or any free port if it is taken."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")


def wait_until(is_so: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait until `is_so` returns true; raise TimeoutError, with `what` in it, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.1)
