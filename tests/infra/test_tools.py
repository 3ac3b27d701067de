"""Tools do not read the configuration of the functions, whose variables may be set for them."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("tool", ["infra.deploy.__main__", "infra.prices", "bench.overhead"])
def test_a_tool_does_not_read_the_configuration_of_functions(tool: str) -> None:
    check = f"import sys, {tool}; sys.exit('chalicelib.config' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
