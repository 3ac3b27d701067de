"""Run the steps of a command; a step that fails ends the command with what the step said."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_LINES = 12


def run(
    step: str,
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command; if it fails, SystemExit has the step and the last lines of its output."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, check=False, capture_output=True, text=True
        )
    except OSError as error:
        raise SystemExit(f"{step} failed: {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_LINES:]
        raise SystemExit("\n  ".join([f"{step} failed:", *said]))
