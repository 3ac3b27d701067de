"""Time new processes from the unpacked package, up to the first answer of each kind of event.

The servers that they call are other processes. Of the time of the clock those take a part; the CPU
time is the process's own.
"""

import statistics
from pathlib import Path
from typing import Any

from bench.deployed import Deployed
from bench.functions.kinds import Kind, kinds
from bench.functions.process import Calls, Measured, measure

ROUNDS, WARM_CALLS = 15, 30

_CLIENTS = """
import app
from chalicelib.bootstrap import services
gateways = services().gateways
gateways.client("dynamodb"), gateways.images, gateways.messages, gateways.instances
"""
IMPORTS = {
    "interpreter": "pass",
    "chalice": "import chalice",
    "given_libraries": "import chalice, pynamodb.models, requests",
    "app": "import app",
    "clients": _CLIENTS,
}


def cold_starts(package: Path, deployed: Deployed) -> dict[str, Any]:
    """Return the medians of interleaved rounds, as ratios to `import chalice` and in milliseconds.

    `package` is unpacked.
    """
    found: dict[str, list[Measured]] = {}
    environment = deployed.environment("APIHandler")
    events = prepared(package, deployed)
    for _ in range(ROUNDS):
        for name, statement in IMPORTS.items():
            found.setdefault(name, []).append(measure(package, Calls(statement), environment))
        for name, kind in events.items():
            found.setdefault(name, []).append(invoke(package, deployed, kind, 1))
    chalice = [each.whole for each in found["chalice"]]
    return {
        name: {
            "ms": _median([each.whole[0] for each in rounds]),
            "cpu_ms": _median([each.whole[1] for each in rounds]),
            "ratio": _ratio([each.whole for each in rounds], chalice, 0),
            "cpu_ratio": _ratio([each.whole for each in rounds], chalice, 1),
        }
        for name, rounds in found.items()
    }


def warm_calls(package: Path, deployed: Deployed) -> dict[str, Any]:
    """Return the median milliseconds and CPU milliseconds of a call once a function is warm."""
    found = {}
    for name, kind in prepared(package, deployed).items():
        calls = invoke(package, deployed, kind, 5 + WARM_CALLS).calls[5:]
        found[name] = {
            "ms": _median([clock for clock, _ in calls]),
            "cpu_ms": _median([cpu for _, cpu in calls]),
        }
    return found


def prepared(package: Path, deployed: Deployed) -> dict[str, Kind]:
    """Return the kinds of events, once the GPU is known to be on and there is a finished job."""
    events = kinds(deployed, "")
    invoke(package, deployed, events["reconciler"], 1)
    status, location = invoke(package, deployed, events["generate"], 1).answers[0]
    if status != 200:
        raise RuntimeError(f"no image was made: {status}")
    job_id = str(location).rpartition("/")[2]
    return kinds(deployed, job_id)


def invoke(
    package: Path,
    deployed: Deployed,
    kind: Kind,
    count: int,
    *,
    share: float | None = None,
    at_init: bool = True,
) -> Measured:
    """Call a function in a new process, and cancel the jobs that this leaves in the queue."""
    environment = deployed.environment(kind.function)
    if at_init:  # by this variable of Lambda a function knows what to make at its init
        environment["_HANDLER"] = kind.handler
    measured = measure(package, kind.calls(count), environment, share=share)
    for status, location in measured.answers:
        if status and status >= 500:
            raise RuntimeError(f"{kind.handler} failed")
        if status == 202:
            job_id = str(location).rpartition("/")[2]
            deployed.api.call("POST", f"/api/images/jobs/{job_id}/cancel").raise_for_status()
    return measured


def _median(figures: list[float]) -> float:
    return round(statistics.median(figures), 1)


def _ratio(rounds: list[tuple[float, float]], base: list[tuple[float, float]], which: int) -> float:
    pairs = zip(rounds, base, strict=True)
    return round(statistics.median(one[which] / other[which] for one, other in pairs), 2)
