"""Commands for operators: what they read, and what they say when AWS does not answer."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("tool", ["infra.deploy.__main__", "infra.prices", "bench.overhead"])
def test_a_tool_does_not_read_the_configuration_of_functions(tool: str) -> None:
    check = f"import sys, {tool}; sys.exit('chalicelib.config' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize(
    "command",
    ["infra.keys none list", "infra.redrive none", "infra.prices us-east-1", "infra.deploy none"],
)
def test_a_command_that_cannot_reach_aws_says_so_in_one_line(command: str) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Could not connect to the endpoint URL")
    assert done.stderr.count("\n") == 1
