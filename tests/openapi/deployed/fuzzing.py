"""A run of schemathesis against a deployment."""

import json
import os
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path
from string import Template
from time import time
from typing import Any

from local.stack.api import Api
from local.stack.processes import ROOT
from openapi.__main__ import PATH
from tests.e2e.conftest import Stack
from tests.environment import CHECKPOINT

BIN = ROOT / ".venv-contract" / "bin"
CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
PHASES = ("examples", "coverage", "fuzzing", "stateful")

_SMALL = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 1}

Report = dict[str, Any]


def prepare(stack: Stack, directory: Path, **numbers: int) -> None:
    """Write the configuration with these numbers, keys of all scopes, and ids of what exists."""
    maker, other = (stack.new_api(name) for name in ("maker", "other"))
    keys = {"maker": maker, "admin": stack.api, "other": other}
    users = [{"name": name, "fixedHeaders": _headers(api)} for name, api in keys.items()]
    (directory / "keys.json").write_text(json.dumps({"auth": users}))
    configuration = Template(CONFIGURATION.read_text()).substitute(numbers)
    (directory / CONFIGURATION.name).write_text(configuration)
    urls = [stack.accepted(api=maker) for _ in range(2)]
    jobs = [stack.finished(url)["id"] for url in urls]
    _write(directory / "jobs.txt", jobs)
    _write(directory / "images.txt", [f"{job}-0" for job in jobs])
    _write(directory / "results.txt", [_result_id(job) for job in jobs])
    _write(directory / "schedules.txt", [_schedule(maker) for _ in range(3)])
    _write(directory / "keys.txt", [_key(stack.api) for _ in range(3)])


def fuzz(
    stack: Stack, directory: Path, *, seed: int, phases: tuple[str, ...] = PHASES, user: str = ""
) -> tuple[Report, str]:
    """Run phases as `prepare` has configured them; return the report and the output.

    With a user every request has the key of that one.
    """
    report, output = directory / "report.json", directory / "output.txt"
    size = {"--seed": seed, "--workers": 1}
    options = {"--phases": ",".join(phases), "--checks": "all", **size}
    options |= {"--auth-wfc-user": user} if user else {}
    reports = {"--report": "json", "--report-json-path": report}
    named = [str(each) for pair in {**options, **reports}.items() for each in pair]
    run = [BIN / "st", "--config-file", CONFIGURATION.name, "run", PATH, "--url", stack.api.url]
    with output.open("w") as file:
        subprocess.run(
            [*run, "--no-color", *named],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CHECKPOINT": CHECKPOINT},
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    assert report.exists(), output.read_text()
    return json.loads(report.read_text()), output.read_text()


def _headers(api: Api) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in api.headers.items()]


def _schedule(api: Api) -> str:
    body = {"name": "sky", "expression": "cron(0 7 1 1 ? *)", "request": _SMALL}
    return str(api.call("POST", "/api/images/schedules", json=body).json()["id"])


def _key(admin: Api) -> str:
    body = {"name": "gallery", "owner": "shop"}
    return str(admin.call("POST", "/api/images/keys", json=body).json()["id"])


def _result_id(job_id: str) -> str:
    """Return the last part of a result address, as a redirect has it."""
    chain = ["0" * 32, 1, time() + 60, False, [job_id], None, None]
    return urlsafe_b64encode(json.dumps(chain).encode()).decode().rstrip("=")


def _write(file: Path, ids: Iterable[str]) -> None:
    file.write_text("".join(f'"{each}"\n' for each in ids))
