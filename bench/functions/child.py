"""The measured process: it starts a function and calls it. It has no module but the package's.

python -I -S child.py PACKAGE INIT CALLS REPORT [GO]

INIT is a statement that may bind `entry` to a handler. CALLS is a file of pairs in JSON, of events
and milliseconds. REPORT and GO are open files: what was measured is written to the first, and the
calls begin when there is something to read in the second.
"""

import sys
import time
from typing import Any  # `chalice` imports it, too

_, package, init, calls, report, *go = sys.argv
sys.path.insert(0, package)

Clocks = tuple[float, float]


def clocks() -> Clocks:
    return time.perf_counter(), time.process_time()


def since(began: Clocks) -> Clocks:
    clock, cpu = clocks()
    return (clock - began[0]) * 1000, (cpu - began[1]) * 1000


class Context:
    """What Lambda tells a function about its invocation."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "measured"

    def __init__(self, milliseconds: int) -> None:
        self._ends_at = time.monotonic() + milliseconds / 1000

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends_at - time.monotonic()) * 1000)


found: dict[str, Any] = {}
began = clocks()
exec(init, found)  # noqa: S102
measured: dict[str, Any] = {"init": since(began), "calls": [], "answers": []}

import json  # noqa: E402
import os  # noqa: E402

if go:
    os.write(int(report), b"ready\n")
    os.read(int(go[0]), 1)
with open(calls) as file:  # noqa: PTH123 - `pathlib` would be imported for it
    events = json.load(file)
for event, milliseconds in events:
    began = clocks()
    answer = found["entry"](event, Context(milliseconds)) or {}
    measured["calls"].append(since(began))
    about = [answer.get("statusCode"), answer.get("headers", {}).get("Location")]
    measured["answers"].append(about)  # without bodies, so that all of them fit into a pipe
os.write(int(report), json.dumps(measured).encode())
