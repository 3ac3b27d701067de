"""Run a command for operators on the demo that runs in this checkout, instead of on AWS.

python -m local.on_demo [--demo FILE] MODULE [ARGUMENT …]
"""

import argparse
import json
import os
import sys
from pathlib import Path

import requests

from local.stack.deploy import STACK
from local.stack.emulator import environment
from local.stack.processes import LOOPBACK, ROOT

_ANSWER_SECONDS = 5


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m local.on_demo")
    options.add_argument("--demo", type=Path, default=ROOT / ".local" / "demo.json")
    options.add_argument("module")
    options.add_argument("arguments", nargs=argparse.REMAINDER)
    asked = options.parse_args()
    # The demo has credentials of its own; the user's may be wrong.
    others = {name: os.environ[name] for name in os.environ if not name.startswith("AWS_")}
    # Requests to this machine must not go through a proxy.
    os.environ["NO_PROXY"] = others["NO_PROXY"] = f"{others.get('NO_PROXY', '')},{LOOPBACK}"
    url = _aws_url(asked.demo)
    command = [sys.executable, "-m", asked.module, STACK, *asked.arguments]
    os.chdir(ROOT)
    os.execve(sys.executable, command, {**others, **environment(url)})


def _aws_url(demo: Path) -> str:
    """Return the URL of the demo's AWS emulator; exit if it does not answer."""
    try:
        url = str(json.loads(demo.read_text())["api_url"]).rpartition("/")[0]
        requests.get(f"{url}/_ministack/health", timeout=_ANSWER_SECONDS).raise_for_status()
    except (FileNotFoundError, requests.RequestException):
        raise SystemExit(
            "No demo is running in this checkout: start `make demo` in another terminal, or name a"
            " deployment on AWS with STAGE=…"
        ) from None
    return url


if __name__ == "__main__":
    main()
