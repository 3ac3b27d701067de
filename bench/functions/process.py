"""Start `child.py`, and measure its whole process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

from msgspec import Struct, convert

from bench.functions.share import hold_to

CHILD = Path(__file__).with_name("child.py")

Event = dict[str, Any]


class Calls(Struct, frozen=True):
    """What a process does: a statement, and events for the handler that it binds to `entry`."""

    init: str
    events: list[tuple[Event, int]] = []  # each with the milliseconds that its call may take


class Answer(NamedTuple):
    """What an API function answered; None for other functions."""

    status: int | None
    location: str | None


class Measured(Struct, frozen=True):
    """Milliseconds, each of the clock and of CPU: of the whole process, its init and each call."""

    whole: tuple[float, float]
    init: tuple[float, float]
    calls: list[tuple[float, float]]
    answers: list[Answer]


def measure(
    package: Path, what: Calls, environment: Mapping[str, str], *, share: float | None = None
) -> Measured:
    """Run a new process; hold it to a share of one CPU from the end of its init on."""
    with NamedTemporaryFile("w", suffix=".json") as events:
        json.dump(what.events, events)
        events.flush()
        report, reported = os.pipe()
        go, start = os.pipe()
        command = [sys.executable, "-I", "-S", CHILD, package, what.init, events.name]
        command += [str(reported), *([str(go)] if share else [])]
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env={**environment}, pass_fds=(reported, go), stdout=subprocess.DEVNULL
        )
        os.close(reported)
        os.close(go)
        with os.fdopen(report, "rb") as answer, os.fdopen(start, "wb", buffering=0) as begin:
            if share:
                answer.readline()
                begin.write(b"!")
                hold_to(share, process.pid)
            found = answer.read()
        _, status, used = os.wait4(process.pid, 0)
        whole = (time.perf_counter() - began) * 1000, (used.ru_utime + used.ru_stime) * 1000
    process.returncode = status
    if status:
        raise RuntimeError(f"{what.init!r} failed")
    return convert({"whole": whole, **json.loads(found)}, Measured)
