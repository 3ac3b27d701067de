"""The examples of the documentation, executed as they are printed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from local.stack.processes import Process, free_port, wait_until
from tests.e2e.conftest import Stack

ROOT = Path(__file__).parents[2]
PAGES = [
    page.relative_to(ROOT)
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    if "```sh\n" in page.read_text()
]
_BLOCK = re.compile(r"```(sh|json)\n(.*?)```", re.DOTALL)
_SETS_API = "API=$(python3"
_MARK = "--- next ---"


class Example:
    """A block of shell commands, and the JSON that the page shows after it, if any."""

    def __init__(self, commands: str) -> None:
        self.commands = commands
        self.shown: str | None = None


def examples(page: Path) -> list[Example]:
    """Return the executable blocks of a page, but for the one that reads the demo's address."""
    found: list[Example] = []
    end = 0
    text = (ROOT / page).read_text()
    for block in _BLOCK.finditer(text):
        language, body = block.groups()
        if language == "sh" and not body.startswith(_SETS_API):
            found.append(Example(body))
        elif language == "json" and found and text[end : block.start()].strip() == "":
            found[-1].shown = body
        end = block.end()
    return found


@pytest.fixture(scope="module", autouse=True)
def an_image(stack: Stack) -> None:
    """Make an image, so that the GPU is on and lists are not empty."""
    assert stack.call("POST", "/api/images/comfyui/start").ok
    small = {"prompt": "x", "width": 64, "height": 64, "steps": 1}
    wait_until(
        lambda: stack.call("POST", "/api/images/generate", json=small).status_code == 200,
        "an image",
        seconds=60,
    )


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_example_works_as_it_is_printed(stack: Stack, tmp_path: Path, page: Path) -> None:
    found = examples(page)
    script = f"\necho; echo '{_MARK}'\n".join(
        ["set -euo pipefail", *(example.commands for example in found)]
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "API": stack.api.url, "AUTH": f"Authorization: Bearer {stack.api.key}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"status":"error"' not in done.stdout
    printed = done.stdout.split(f"\n{_MARK}\n")[1:]
    for example, output in zip(found, printed, strict=True):
        if example.shown:
            check_shape(json.loads(example.shown), json.loads(output.strip().splitlines()[-1]))
    for image in tmp_path.glob("*.png"):
        assert image.read_bytes().startswith(b"\x89PNG"), image


def check_shape(shown: Any, answered: Any, at: str = "the answer") -> None:
    """Check that an answer has the fields that the page shows, with values of the same types."""
    if isinstance(shown, dict):
        assert shown.keys() <= answered.keys(), at
        for name, value in shown.items():
            check_shape(value, answered[name], f"{at}.{name}")
    elif isinstance(shown, list):
        assert isinstance(answered, list), at
        if shown and answered:
            check_shape(shown[0], answered[0], f"{at}[0]")
    elif shown is not None and answered is not None:
        kinds = (int, float) if isinstance(shown, int | float) else type(shown)
        assert isinstance(answered, kinds), at


def test_headers_that_the_examples_send_are_honored(stack: Stack) -> None:
    """The page on `generate` says so of `Prefer` and `Idempotency-Key`."""
    headers = {"Prefer": "respond-async", "Idempotency-Key": "order-1018"}
    body = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 1}
    first, again = (
        stack.call("POST", "/api/images/generate", json=body, headers=headers) for _ in range(2)
    )
    assert (first.status_code, first.headers["Preference-Applied"]) == (202, "respond-async")
    assert first.json()["id"] in again.text  # the job, or the link to its image
    stack.finished(first.headers["Location"])


def test_the_error_in_the_documentation_is_a_real_one(stack: Stack) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", (ROOT / "docs/api/errors.md").read_text(), re.DOTALL)
    answer = stack.call("POST", "/api/images/generate", json={"prompt": "a fox", "width": 1})
    assert answer.json() == json.loads(shown)


def test_the_server_for_web_pages_requests_an_image_and_reports_its_progress(
    stack: Stack, tmp_path: Path
) -> None:
    text = (ROOT / "docs/how-to/web-page.md").read_text()
    for language, file in (("python", "server.py"), ("html", "page.html")):
        [code] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        (tmp_path / file).write_text(code)
    port = free_port(0)
    environment = {
        **os.environ,
        "DARKROOM_API": stack.api.url,
        "DARKROOM_KEY": stack.api.key,
        "PORT": str(port),
    }
    command = ["bash", "-c", f"cd {tmp_path} && exec {sys.executable} server.py"]
    server = Process(command, tmp_path / "log.txt", environment)
    try:
        check_server(f"http://127.0.0.1:{port}")
    finally:
        server.stop()


def check_server(url: str) -> None:
    answers: list[dict[str, Any]] = []

    def has_ordered() -> bool:
        try:
            answer = requests.post(f"{url}/cards", json={"prompt": "a fox"}, timeout=60)
        except requests.ConnectionError:
            return False
        answers.append(answer.json())
        return True

    wait_until(has_ordered, "the server's start", seconds=20)
    job = {"status": "queued", "images": []}

    def has_ended() -> bool:
        job.update(requests.get(f"{url}/cards/{answers[0]['id']}", timeout=60).json())
        return job["status"] not in ("queued", "starting", "running")

    wait_until(has_ended, "the image", seconds=60)
    assert "<img" in requests.get(url, timeout=10).text
    for body, status in ((b"nonsense", 400), (b'{"prompt": ""}', 400)):
        refused = requests.post(f"{url}/cards", data=body, timeout=30)
        assert (refused.status_code, list(refused.json())) == (status, ["error"])
    assert requests.get(f"{url}/cards/unknown", timeout=30).status_code == 404
    assert job["status"] == "succeeded"
    [link] = job["images"]
    assert requests.get(link, timeout=60).content.startswith(b"\x89PNG")


def test_chalice_local_serves_what_the_demo_has(stack: Stack, tmp_path: Path) -> None:
    demo = tmp_path / "demo.json"
    demo.write_text(json.dumps({"api_url": stack.api.url, "api_key": stack.api.key}))
    port = str(free_port(0))
    command = [sys.executable, "-m", "local.chalice_local", port, "--demo", str(demo)]
    server = Process(command, tmp_path / "log.txt")
    url = f"http://127.0.0.1:{port}/api/images/styles?limit=1"
    answers: list[requests.Response] = []

    def has_answered() -> bool:
        try:
            answers.append(requests.get(url, headers=stack.api.headers, timeout=10))
        except requests.ConnectionError:
            return False
        return True

    try:
        wait_until(has_answered, "the start of chalice local", seconds=30)
    finally:
        server.stop()
    assert answers[0].json() == stack.call("GET", "/api/images/styles?limit=1").json()
    assert f"127.0.0.1:{port}" in answers[0].headers["Link"]


def test_a_command_without_a_stage_acts_on_the_demo_whatever_the_settings_of_aws(
    stack: Stack, tmp_path: Path
) -> None:
    demo = tmp_path / "demo.json"
    demo.write_text(json.dumps({"api_url": stack.api.url}))
    of_aws = {"AWS_PROFILE": "nowhere", "AWS_REGION": "eu-west-1", "HTTP_PROXY": "http://x"}
    command = [sys.executable, "-m", "local.on_demo", "--demo", str(demo), "infra.keys"]
    done = subprocess.run(
        [*command, "create", "newcomer"],
        env={**os.environ, **of_aws},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "Region us-east-1, account 000000000000\n"
    headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
    assert requests.get(f"{stack.api.url}/api/images/jobs", headers=headers, timeout=30).ok


def test_chalice_local_says_that_no_demo_is_running(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.chalice_local", "8000", "--demo", str(tmp_path / "no")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "No demo is running: start `make demo` in another terminal\n"


def test_chalice_deploy_is_refused_in_one_sentence() -> None:
    command = [Path(sys.executable).with_name("chalice"), "deploy"]
    environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    said = "Darkroom is deployed with `make deploy STAGE=…`; see docs/deployment.md\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
