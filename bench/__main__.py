"""`make bench`: measure the figures of docs/benchmarks.md in one run."""

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.cold_start import import_times
from bench.overhead import overhead
from infra.package import package
from local.stack.processes import ROOT

RESULTS = ROOT / "bench" / "results.json"


def main() -> None:
    """Measure, print, and record."""
    with tempfile.TemporaryDirectory() as directory:
        at = Path(directory)
        package(at / "package")
        results = {
            "python": platform.python_version(),
            "package_megabytes": round((at / "package/deployment.zip").stat().st_size / 1e6, 2),
            "import": import_times(),
            "calls": _calls(),
            **overhead(at),
        }
    text = json.dumps(results, indent=2)
    print(text)
    RESULTS.write_text(text + "\n")


def _calls() -> Any:
    """Count calls in a separate process, because that replaces AWS with a fake."""
    command = [sys.executable, "-m", "bench.calls"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
