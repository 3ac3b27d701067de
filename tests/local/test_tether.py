"""What runs on a tether ends with who started it, however that one ends."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.stack.processes import LOOPBACK, Process, wait_until
from tests.local.stand_in import ROOT

PATIENCE_SECONDS = 20

# Calls the port and stays on the line: a line that goes dead is a process that has ended.
CALLER = """
import socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
line.recv(1)
"""

PARENT = """
import sys, time
from pathlib import Path
from local.stack.processes import Process
processes = [Process(sys.argv[2:], Path(sys.argv[1])) for _ in range(2)]
time.sleep(60)
"""


@pytest.fixture
def switchboard() -> Iterator[socket.socket]:
    """Takes the calls of the processes."""
    with socket.create_server((LOOPBACK, 0)) as switchboard:
        switchboard.settimeout(PATIENCE_SECONDS)
        yield switchboard


@contextmanager
def call(switchboard: socket.socket) -> Iterator[socket.socket]:
    line, _ = switchboard.accept()
    line.settimeout(PATIENCE_SECONDS)
    with line:
        yield line


def is_dead(line: socket.socket) -> bool:
    """Wait until nobody is there any more; raise TimeoutError when somebody stays."""
    return line.recv(1) == b""


def caller(switchboard: socket.socket) -> list[str]:
    return [sys.executable, "-c", CALLER, str(switchboard.getsockname()[1])]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_commands_end_when_their_parent_is_killed(
    switchboard: socket.socket, tmp_path: Path, how: signal.Signals
) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log.txt"), *caller(switchboard)]
    with subprocess.Popen(command, cwd=ROOT) as parent:
        with call(switchboard) as first, call(switchboard) as second:
            parent.send_signal(how)
            assert is_dead(first)
            assert is_dead(second)
        assert parent.wait() == -how


def test_a_command_runs_until_it_is_stopped(switchboard: socket.socket, tmp_path: Path) -> None:
    process = Process(caller(switchboard), tmp_path / "log.txt")
    with call(switchboard) as line:
        assert process.is_alive
        process.stop()
        assert is_dead(line)
    assert not process.is_alive


def test_a_command_that_ends_by_itself_ends_its_tether(
    switchboard: socket.socket, tmp_path: Path
) -> None:
    process = Process(caller(switchboard), tmp_path / "log.txt")
    with call(switchboard) as line:
        line.send(b"!")
        assert is_dead(line)
    process.stop()
    assert not process.is_alive


@pytest.mark.parametrize("code", [0, 3])
def test_a_tether_has_the_exit_code_of_its_command(code: int) -> None:
    command = [sys.executable, "-c", f"raise SystemExit({code})"]
    tether = [sys.executable, "-m", "local.stack.tether", *command]
    with subprocess.Popen(tether, cwd=ROOT, stdin=subprocess.PIPE) as started:
        assert started.wait(PATIENCE_SECONDS) == code


def test_what_a_command_says_is_added_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "new folder" / "log.txt"
    code = "import os, sys; print(os.environ['WORD']); print('oh', file=sys.stderr)"
    for word in ("first", "second"):
        process = Process([sys.executable, "-uc", code], log, {"WORD": word})
        wait_until(lambda: not process.is_alive, "the end", seconds=PATIENCE_SECONDS)  # noqa: B023
    assert log.read_text().split() == ["first", "oh", "second", "oh"]
