"""A command on a tether ends with its parent, however the parent ends."""

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

# Stays connected to the port: the connection closes when the process ends.
CHILD = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.recv(1)
"""

PARENT = """
import sys, time
from pathlib import Path
from local.stack.processes import Process
processes = [Process(sys.argv[2:], Path(sys.argv[1])) for _ in range(2)]
time.sleep(60)
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that the processes connect to."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)
        yield listener


@contextmanager
def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    connection, _ = listener.accept()
    connection.settimeout(PATIENCE_SECONDS)
    with connection:
        yield connection


def has_ended(connection: socket.socket) -> bool:
    """Wait until the process has ended; raise TimeoutError if it does not end."""
    return connection.recv(1) == b""


def child(listener: socket.socket) -> list[str]:
    return [sys.executable, "-c", CHILD, str(listener.getsockname()[1])]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_commands_end_when_their_parent_is_killed(
    listener: socket.socket, tmp_path: Path, how: signal.Signals
) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log.txt"), *child(listener)]
    with subprocess.Popen(command, cwd=ROOT) as parent:
        with accepted(listener) as first, accepted(listener) as second:
            parent.send_signal(how)
            assert has_ended(first)
            assert has_ended(second)
        assert parent.wait() == -how


def test_a_command_runs_until_it_is_stopped(listener: socket.socket, tmp_path: Path) -> None:
    process = Process(child(listener), tmp_path / "log.txt")
    with accepted(listener) as connection:
        assert process.is_alive
        process.stop()
        assert has_ended(connection)
    assert not process.is_alive


def test_a_command_that_ends_by_itself_ends_its_tether(
    listener: socket.socket, tmp_path: Path
) -> None:
    process = Process(child(listener), tmp_path / "log.txt")
    with accepted(listener) as connection:
        connection.send(b"!")
        assert has_ended(connection)
    process.stop()
    assert not process.is_alive


@pytest.mark.parametrize("code", [0, 3])
def test_a_tether_has_the_exit_code_of_its_command(code: int) -> None:
    command = [sys.executable, "-c", f"raise SystemExit({code})"]
    tether = [sys.executable, "-m", "local.stack.tether", *command]
    with subprocess.Popen(tether, cwd=ROOT, stdin=subprocess.PIPE) as started:
        assert started.wait(PATIENCE_SECONDS) == code


def test_the_output_of_a_command_is_appended_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "new folder" / "log.txt"
    code = "import os, sys; print(os.environ['WORD']); print('oh', file=sys.stderr)"
    for word in ("first", "second"):
        process = Process([sys.executable, "-uc", code], log, {"WORD": word})
        wait_until(lambda: not process.is_alive, "the end", seconds=PATIENCE_SECONDS)  # noqa: B023
    assert log.read_text().split() == ["first", "oh", "second", "oh"]
