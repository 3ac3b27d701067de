"""ComfyUI, started with the command of its unit."""

import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from infra.bundle import INSTANCE
from local.real_comfyui.disk import Disk
from local.stack.processes import free_port

_START_SECONDS = 300


@contextmanager
def serve(disk: Disk) -> Iterator[str]:
    """Run the installed ComfyUI on the CPU; yield its address once it answers."""
    port = free_port(8190)
    began = time.monotonic()
    with disk.log.open("w") as log:
        process = subprocess.Popen(
            command(disk, port), cwd=disk.data, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process)
        print(f"ComfyUI started in {time.monotonic() - began:.1f} s", flush=True)
        yield url
    finally:
        process.terminate()
        process.wait()


def command(disk: Disk, port: int) -> list[str]:
    """Return the command of comfyui.service, for this disk and the CPU."""
    unit = (INSTANCE / "comfyui.service").read_text().replace("\\\n", " ")
    [line] = [each for each in unit.splitlines() if each.startswith("ExecStart=")]
    line = line.removeprefix("ExecStart=")
    for place, ours in {
        "--listen 0.0.0.0": "--listen 127.0.0.1",
        "/opt/comfyui/current/source": disk.source,
        "/opt/comfyui/current/venv/bin/python": disk.python,
        "/var/lib/comfyui": disk.data,
        "${COMFYUI_PORT}": port,
    }.items():
        line = line.replace(place, str(ours))
    (disk.data / "user").mkdir(parents=True, exist_ok=True)
    return [*shlex.split(line), "--cpu"]


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            requests.get(f"{url}/system_stats", timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.5)
        else:
            return
    raise SystemExit("ComfyUI did not start; see its log in .local/real-comfyui/comfyui.log")
