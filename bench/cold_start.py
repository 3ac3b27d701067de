"""Time `import app` and the import of Chalice alone, in new processes."""

import compileall
import os
import statistics
import subprocess
import sys
import time

from local.stack.processes import ROOT

ROUNDS = 21
STATEMENTS = {
    "interpreter": "pass",
    "chalice": "import chalice",
    "given_libraries": "import chalice, pynamodb.models, requests",
    "app": "import app",
}


def import_times() -> dict[str, float]:
    """Return median milliseconds of interleaved rounds, and the ratio of `app` to Chalice."""
    # The package has bytecode too.
    compileall.compile_dir(str(ROOT / "chalicelib"), quiet=1)
    compileall.compile_file(str(ROOT / "app.py"), quiet=1)
    taken: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():
            taken[name].append(_seconds(statement))
    medians = {name: round(statistics.median(each) * 1000, 1) for name, each in taken.items()}
    started = medians["interpreter"]
    return {
        **{f"{name}_ms": median for name, median in medians.items()},
        "ratio": round(medians["app"] / medians["chalice"], 2),
        "ratio_without_interpreter": round(
            (medians["app"] - started) / (medians["chalice"] - started), 2
        ),
    }


def _seconds(statement: str) -> float:
    environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], cwd=ROOT, env=environment, check=True)
    return time.perf_counter() - began
