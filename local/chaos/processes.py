"""Find processes below this one, and kill or freeze them."""

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import NamedTuple


class Found(NamedTuple):
    """A process as `ps` shows it."""

    pid: int
    parent: int
    state: str
    age: str
    waits_in: str
    command: str

    @property
    def is_idle(self) -> bool:
        """Whether it waits for its standard input, as a function does between two invocations."""
        return self.waits_in.startswith(("anon_p", "pipe"))

    @property
    def is_new(self) -> bool:
        """Whether it started less than 3 seconds ago."""
        return self.age < "00:03"

    @property
    def is_frozen(self) -> bool:
        return self.state.startswith("T")


def below(ancestor: int) -> list[Found]:
    """Return all descendants of a process."""
    listed = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,stat=,etime=,wchan=,command="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    every = [_found(line) for line in listed]
    family, size = {ancestor}, 0
    while len(family) > size:
        size = len(family)
        family |= {each.pid for each in every if each.parent in family}
    return [each for each in every if each.pid in family - {ancestor}]


def _found(line: str) -> Found:
    pid, parent, *known = line.split(None, 5)
    return Found(int(pid), int(parent), *known)


def kill(process: Found) -> bool:
    """Kill a process; return whether it still existed."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
        return True
    return False


class Freezer:
    """Freezes processes for a time; they resume even if this process is killed."""

    def __init__(self) -> None:
        self._frozen: list[subprocess.Popen[bytes]] = []

    def freeze(self, process: Found, seconds: float) -> bool:
        """Freeze a process, and resume it after `seconds`; return whether it still existed."""
        # The shell's standard input ends when this process closes it, or ends.
        script = 'kill -STOP "$0" && echo && { read -r _; kill -CONT "$0"; }'
        guard = subprocess.Popen(
            ["sh", "-c", script, str(process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._frozen.append(guard)
        timer = threading.Timer(seconds, _thaw, [guard])
        timer.daemon = True
        timer.start()
        return bool(guard.stdout and guard.stdout.readline())

    def thaw_all(self) -> None:
        """Resume all frozen processes."""
        for guard in self._frozen:
            _thaw(guard)
            guard.wait()


def _thaw(guard: "subprocess.Popen[bytes]") -> None:
    if guard.stdin:
        guard.stdin.close()
