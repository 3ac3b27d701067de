"""QEMU's monitor, and its agent in the machine: lines of JSON on Unix sockets."""

import base64
import json
import socket
import time
from pathlib import Path
from typing import Any


class Refused(Exception):
    """QEMU or its agent answered with an error."""


class Wire:
    """A connection. Raises OSError when the other side is gone or too slow."""

    def __init__(self, path: Path, seconds: float = 10) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(seconds)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rwb")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, command: str, arguments: dict[str, Any], before: bytes = b"") -> None:
        line = json.dumps({"execute": command, "arguments": arguments}).encode()
        self._file.write(before + line + b"\n")
        self._file.flush()

    def read_line(self) -> bytes:
        line = self._file.readline()
        if not line:
            raise ConnectionResetError("The machine is off")
        return line

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return the answer to a command; skip events."""
        self.send(command, arguments)
        while True:
            answer = json.loads(self.read_line())
            if "error" in answer:
                raise Refused(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]


def monitor(path: Path, command: str, **arguments: Any) -> Any:
    """Give QEMU one command."""
    with Wire(path) as wire:
        wire.read_line()  # the greeting
        wire.ask("qmp_capabilities")
        return wire.ask(command, **arguments)


class Agent:
    """The guest agent: runs commands as root, without network, from early in the boot on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def answers(self) -> bool:
        """Return whether commands can be run now."""
        try:
            with self._synchronized(2) as wire:
                wire.ask("guest-ping")
        except (OSError, ValueError, Refused):
            return False
        return True

    def start(self, command: str, stdin: bytes = b"") -> int:
        """Start a command of bash; return its process id."""
        words = {"path": "/bin/bash", "arg": ["-c", f"exec 2>&1; {command}"]}
        given = {"input-data": base64.b64encode(stdin).decode(), "capture-output": True}
        with self._synchronized(30) as wire:
            return int(wire.ask("guest-exec", **words, **given)["pid"])

    def result(self, pid: int) -> tuple[int, str] | None:
        """Return the status and output of a command; None while it runs."""
        with self._synchronized(30) as wire:
            done = wire.ask("guest-exec-status", pid=pid)
        if not done["exited"]:
            return None
        output = base64.b64decode(done.get("out-data", "")).decode(errors="replace")
        return int(done.get("exitcode", 128 + done.get("signal", 0))), output

    def _synchronized(self, seconds: float) -> Wire:
        """Return a connection on which no answer to an earlier one is left."""
        wire, number = Wire(self._path, seconds), time.monotonic_ns() % 2**31
        wire.send("guest-sync-delimited", {"id": number}, before=b"\xff")
        while True:
            line = wire.read_line()
            if line.startswith(b"\xff") and json.loads(line[1:]).get("return") == number:
                return wire
