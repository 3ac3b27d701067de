"""Finds processes that others of ours started, and kills or freezes them."""

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
        """Whether it waits for its standard input, as a function does between two calls."""
        return self.waits_in.startswith(("anon_p", "pipe"))

    @property
    def is_new(self) -> bool:
        """Whether it was started only a few seconds ago."""
        return self.age < "00:03"

    @property
    def is_frozen(self) -> bool:
        return self.state.startswith("T")


def below(ancestor: int) -> list[Found]:
    """List the children of a process, their children, and so on."""
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
    """End a process as a failing machine would; tell whether it was still there."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
        return True
    return False


class Freezer:
    """Stops processes for a time; they go on in any case, even if we are killed meanwhile."""

    def __init__(self) -> None:
        self._frozen: list[subprocess.Popen[bytes]] = []

    def freeze(self, process: Found, seconds: float) -> bool:
        """Stop a process now, and let it go on later; tell whether it was still there."""
        # The shell's standard input ends when we close it, and when we end ourselves.
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
        """Let everything go on."""
        for guard in self._frozen:
            _thaw(guard)
            guard.wait()


def _thaw(guard: "subprocess.Popen[bytes]") -> None:
    if guard.stdin:
        guard.stdin.close()
