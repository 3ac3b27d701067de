"""`make bench`: measure the figures of docs/benchmarks.md, all or only some parts of them.

python -m bench [--latencies "dynamodb=4 s3_put=25"] [PART ...]
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from bench.at_once import at_once
from bench.cold_start import cold_starts, warm_calls
from bench.deployed import deployed
from bench.latencies import Latencies
from bench.overhead import overhead
from bench.shares import shares
from infra.package import package
from local.stack.processes import ROOT

RESULTS = ROOT / "bench" / "results.json"


class Run(Struct, frozen=True):
    """The package and its unpacked code, a folder for an emulator, and the latencies."""

    package: Path
    code: Path
    at: Path
    latencies: Latencies


def _calls(run: Run) -> Any:
    """Count calls in a separate process, because that replaces AWS with a fake."""
    named = [f"{name}={each}" for name, each in to_builtins(run.latencies).items()]
    command = [sys.executable, "-m", "bench.calls", *named]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return {"calls": json.loads(done.stdout)}


def _cold(run: Run) -> Any:
    with deployed(run.at, run.package, fleet=True, step_seconds=0) as stack:
        stack.disconnect()
        cold = cold_starts(run.code, stack)
        return {"cold_starts": cold, "warm_calls": warm_calls(run.code, stack)}


def _shares(run: Run) -> Any:
    with deployed(run.at, run.package, fleet=True, step_seconds=0) as stack:
        stack.disconnect()
        return {"shares": shares(run.code, stack)}


def _overhead(run: Run) -> Any:
    with deployed(run.at, run.package, fleet=False, step_seconds=0.02) as stack:
        return {"post_to_png": overhead(stack, run.latencies)}


def _at_once(run: Run) -> Any:
    with deployed(run.at, run.package, fleet=False, step_seconds=0.02) as stack:
        return {"forty_at_once": at_once(stack.api)}


PARTS: dict[str, Callable[[Run], dict[str, Any]]] = {
    "calls": _calls,
    "cold": _cold,
    "shares": _shares,
    "at_once": _at_once,
    "overhead": _overhead,  # last, as it imports the application into this process
}


def main() -> None:
    """Measure, record after each part, and print."""
    asked = _asked()
    latencies: Latencies = asked.latencies
    results = json.loads(RESULTS.read_text())
    results |= {"python": platform.python_version(), "latencies": to_builtins(latencies)}
    with tempfile.TemporaryDirectory() as directory:
        at = Path(directory)
        package(at / "package")
        zipped = at / "package/deployment.zip"
        zipfile.ZipFile(zipped).extractall(at / "code")
        results["package_megabytes"] = round(zipped.stat().st_size / 1e6, 2)
        for name, measure in PARTS.items():
            if name in (asked.parts or PARTS):
                results |= measure(Run(at / "package", at / "code", at / name, latencies))
                RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(RESULTS.read_text())


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument("--latencies", default="", help="milliseconds of calls, NAME=MS …")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(unknown)}")
    try:
        asked.latencies = Latencies.parse(asked.latencies)
    except ValueError as error:
        parser.error(str(error))
    return asked


if __name__ == "__main__":
    main()
