"""The README's examples, run as they stand."""

import json
import os
import re
import subprocess
from pathlib import Path

from local.stack.processes import wait_until
from tests.e2e.conftest import Stack

ROOT = Path(__file__).parents[2]
_SETS_API = "API=$(python3"


def examples() -> list[str]:
    """Return the shell blocks of "The API by example", but for the one that finds the demo."""
    chapter = (ROOT / "README.md").read_text().partition("## The API by example")[2]
    blocks = re.findall(r"```sh\n(.*?)```", chapter.partition("\n## ")[0], re.DOTALL)
    return [block for block in blocks if not block.startswith(_SETS_API)]


def test_every_example_works_as_it_stands(stack: Stack, tmp_path: Path) -> None:
    assert stack.call("POST", "/api/images/comfyui/start").ok
    small = {"prompt": "x", "width": 64, "height": 64, "steps": 1}
    wait_until(
        lambda: stack.call("POST", "/api/images/generate", json=small).status_code == 200,
        "an image",
        seconds=60,
    )
    script = "\n".join(["set -euo pipefail", *examples()])
    answer = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "API": stack.api.url, "AUTH": f"Authorization: Bearer {stack.api.key}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert '"status":"error"' not in answer.stdout
    assert answer.stdout.count('"status":"success"') == 4
    assert answer.stdout.count('"status":202') == 2
    assert '"canceled":[' in answer.stdout  # the jobs, unless they were made before
    assert "HTTP/1.1 202" in answer.stdout
    assert (tmp_path / "image.png").read_bytes().startswith(b"\x89PNG")


def test_the_error_in_the_readme_is_a_real_one(stack: Stack) -> None:
    chapter = (ROOT / "README.md").read_text().partition("## How it fails")[2]
    [shown] = re.findall(r"```json\n(.*?)```", chapter, re.DOTALL)
    answer = stack.call("POST", "/api/images/generate", json={"prompt": "a fox", "width": 1})
    assert answer.json() == json.loads(shown)
