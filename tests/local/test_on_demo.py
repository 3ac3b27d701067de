"""Commands for operators act on the demo of the checkout unless a stage is named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.stack.processes import ROOT, free_port

BROKEN = {"AWS_PROFILE": "nowhere", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://x"}


def make(target: str, *options: str) -> str:
    """Return the shell commands of a target."""
    command = ["make", "--dry-run", "--no-print-directory", target, *options]
    environment = {name: os.environ[name] for name in os.environ if name not in ("STAGE", "STACK")}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("target", ["key", "keys", "revoke", "redrive"])
def test_without_a_stage_a_command_is_for_the_demo(target: str) -> None:
    assert "local.on_demo infra." in make(target)
    for option in ("STAGE=prod", "STACK=darkroom-prod"):
        assert "local.on_demo" not in make(target, option)
        assert " darkroom-prod" in make(target, option)


@pytest.mark.parametrize("target", ["deploy", "destroy"])
def test_without_a_stage_nothing_is_deployed_or_destroyed(target: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        make(target)
    assert "STAGE is missing" in refusal.value.stderr


@pytest.mark.parametrize("written", [None, "http://127.0.0.1:{port}/live"])
def test_without_a_running_demo_a_command_says_how_to_start_one(
    written: str | None, tmp_path: Path
) -> None:
    demo = tmp_path / "demo.json"
    if written:  # by a demo that has ended
        demo.write_text(json.dumps({"api_url": written.format(port=free_port(0))}))
    command = [sys.executable, "-m", "local.on_demo", "--demo", str(demo), "infra.keys", "list"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **BROKEN}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No demo is running in this checkout: start `make demo`")
    assert done.stderr.count("\n") == 1
