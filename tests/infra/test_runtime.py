"""Which Pythons package, and what a packaging step that fails says."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra import steps
from infra.pythons import others
from infra.runtime import RUNTIMES, refusal, warning

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_a_python_that_lambda_has_packages_without_a_word(version: str) -> None:
    assert (refusal(version), warning(version)) == ("", "")


def test_python_3_11_packages_with_a_warning_that_names_the_remedy() -> None:
    assert refusal("3.11") == ""
    assert "July 2027" in warning("3.11")
    assert "make clean" in warning("3.11")
    assert "PYTHON=python3.13" in warning("3.11")


@pytest.mark.parametrize("version", ["3.8", "3.10", "3.15", "4.0"])
def test_another_python_is_refused_in_one_sentence_that_names_the_remedy(version: str) -> None:
    said = refusal(version)
    assert f"no runtime of Python {version}, but of 3.11 to 3.14" in said
    assert "make clean" in said
    assert "PYTHON=python3.13" in said
    assert "\n" not in said


def test_make_asks_before_it_installs_anything(tmp_path: Path) -> None:
    """With a Python that claims to be 3.15."""
    python = tmp_path / "python3.15"
    program = "import sys; sys.version_info = (3, 15); sys.argv = ['']; import runpy"
    run = "runpy.run_module('infra.runtime', run_name='__main__')"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{program}; {run}"\n')
    python.chmod(0o755)
    venv = tmp_path / "venv"
    command = ["make", f"{venv}/local", f"PYTHON={python}", f"VENV={venv}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == refusal("3.15")
    assert not venv.exists()


def put(folder: Path, version: str, script: str) -> Path:
    python = folder / f"python{version}"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return python


def test_a_python_that_does_not_run_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, RUNTIMES[-1], "exit 127")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert others() == []


@pytest.mark.parametrize(
    ("own", "found"),
    [("3.11", ["3.14"]), ("3.12", ["3.11", "3.14"]), ("3.14", ["3.11"])],
)
def test_the_oldest_and_the_newest_python_that_run_are_found_besides_the_own_one(
    own: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {version: put(tmp_path, version, f"echo {version}") for version in RUNTIMES}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert others(own) == [paths[version] for version in found]


def test_a_step_that_fails_is_named_with_the_last_lines_that_it_said() -> None:
    program = "import sys; [print(number, file=sys.stderr) for number in range(100)]; sys.exit(3)"
    with pytest.raises(SystemExit) as failed:
        steps.run("Counting", [sys.executable, "-c", program])
    said = str(failed.value).splitlines()
    assert said[0] == "Counting failed:"
    assert said[-2:] == ["  98", "  99"]
    assert len(said) < 20


def test_a_step_whose_program_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"Counting failed: .*No such file"):
        steps.run("Counting", [tmp_path / "missing"])


def test_packaging_without_an_index_shows_what_pip_says(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from infra.libraries import libraries;"
        f"libraries('3.13', installed=Path({str(tmp_path)!r}))"
    )
    environment = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Installing requirements.lock failed:\n")
    assert "No matching distribution found for botocore" in done.stderr
    assert "Traceback" not in done.stderr
