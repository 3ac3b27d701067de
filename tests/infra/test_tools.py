"""Commands for operators: what they read, and what they say when AWS does not answer."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import moto
import pytest

from infra.aws import connect

COMMANDS = (
    "infra.keys none list",
    "infra.redrive none",
    "infra.prices",
    "infra.deploy none",
    "infra.deploy.destroy none",
)
ROOT = Path(__file__).parents[2]


def run(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these AWS settings and no others."""
    others = {name: os.environ[name] for name in os.environ if not name.startswith("AWS_")}
    nowhere = {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=ROOT,
        env={**others, **nowhere, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "tool", ["infra.aws", "infra.deploy.__main__", "infra.prices", "bench.overhead"]
)
def test_a_tool_does_not_read_the_configuration_of_functions(tool: str) -> None:
    check = f"import sys, {tool}; sys.exit('chalicelib.config' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


KEY = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
SETTINGS = {
    "No AWS region is set: set AWS_REGION": {},
    "No AWS credentials are found: run `aws configure`": {"AWS_REGION": "eu-west-1"},
    "missing: AWS_SECRET_ACCESS_KEY: set what is missing": {
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "a",
    },
    "profile (nowhere) could not be found: check AWS_PROFILE": {"AWS_PROFILE": "nowhere"},
    "'eu west 1' doesn't match a supported format: set AWS_REGION": {
        **KEY,
        "AWS_REGION": "eu west 1",
    },
    '127.0.0.1:9/": check the network, and the name of the region': {
        **KEY,
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    },
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("said", SETTINGS)
def test_a_command_with_wrong_settings_says_in_one_sentence_what_to_do(
    command: str, said: str
) -> None:
    done = run(command, **SETTINGS[said])
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def no_aws_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        # Set first, so that what `connect` sets is undone, too.
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with moto.mock_aws():
        yield monkeypatch


def test_the_region_and_the_account_are_printed_apart_from_the_output(
    no_aws_settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    no_aws_settings.setenv("AWS_REGION", "eu-west-1")
    account = connect()
    assert (account.id, account.region) == ("123456789012", "eu-west-1")
    assert capsys.readouterr() == ("", "Region eu-west-1, account 123456789012\n")


def test_aws_region_overrides_aws_default_region_as_in_aws_s_cli(
    no_aws_settings: pytest.MonkeyPatch,
) -> None:
    no_aws_settings.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert connect().region == "eu-central-1"
    no_aws_settings.setenv("AWS_REGION", "eu-west-1")
    assert connect().region == "eu-west-1"
    # Libraries that make sessions of their own use the same region.
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"


def test_a_region_that_is_given_overrides_all(no_aws_settings: pytest.MonkeyPatch) -> None:
    no_aws_settings.setenv("AWS_REGION", "eu-west-1")
    assert connect("eu-north-1").region == "eu-north-1"


def test_the_region_of_the_profile_is_used_if_no_variable_names_one(
    no_aws_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = ap-south-1\n")
    no_aws_settings.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    no_aws_settings.delenv("AWS_DEFAULT_REGION")
    assert connect().region == "ap-south-1"
