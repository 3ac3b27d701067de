"""`make fleet`: send 50 jobs while all GPUs are off, count starts, and wait until all are off."""

import json
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import requests

from infra.package import package
from local.stack.api import Api, new_key
from local.stack.deploy import STACK, deploy
from local.stack.emulator import Emulator
from local.stack.gpu import Gpu
from local.stack.processes import ROOT, wait_until

# Own ports and data, because a demo may run at the same time.
DIRECTORY = ROOT / ".local" / "fleet"
EMULATOR_PORT, COMFYUI_PORT = 4766, 8388
RESULT = ROOT / "bench" / "fleet.json"

CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
GPUS, FLEET_MAX, JOBS = 3, 2, 50
IDLE_STOP_SECONDS = 30
PACE = ("--step-seconds", "0.08", "--load-seconds", "2")
BOOT_SECONDS = 3.0
PARAMETERS = {
    "Checkpoint": CHECKPOINT,
    "FleetMax": str(FLEET_MAX),
    "ScaleWaitSeconds": "60",
    "IdleStopSeconds": str(IDLE_STOP_SECONDS),
}
BODY = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 20}
_MOST_SECONDS = 300

_began = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - _began:5.1f} s] {text}", flush=True)


def main() -> int:
    """Run, print and record; return 1 if a job failed or the number of starts is wrong."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    with ExitStack() as running:
        figures = _run(running)
        say("stopping")
    print(json.dumps(figures, indent=2))
    is_right = figures["succeeded"] == JOBS and figures["starts"] == FLEET_MAX
    if is_right:
        RESULT.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if is_right else 1


def _run(running: ExitStack) -> dict[str, Any]:
    package(DIRECTORY / "package")
    emulator = Emulator(DIRECTORY / "emulator", port=EMULATOR_PORT)
    running.callback(emulator.stop)
    url = deploy(emulator, DIRECTORY / "package", PARAMETERS)["ApiUrl"]
    api = Api(url, new_key(emulator, "fleet-run"))
    gpus = [_gpu(emulator, number) for number in range(1, GPUS + 1)]
    for gpu in gpus:
        running.callback(gpu.stop)
    say(f"sending {JOBS} jobs at once; {GPUS} GPUs are off, and {FLEET_MAX} may be on at a time")
    asked_at = time.time()
    with ThreadPoolExecutor(JOBS) as pool:
        ids = list(pool.map(partial(_ask, api), range(JOBS)))
    wait_until(lambda: _are_done(api), "the end of all jobs", seconds=_MOST_SECONDS)
    say("all jobs have ended; waiting for the GPUs to stop")
    done_at = time.time()
    wait_until(lambda: _are_off(emulator), "the stop of all GPUs", seconds=_MOST_SECONDS)
    jobs = [api.call("GET", f"/api/images/jobs/{id_}").json() for id_ in ids]
    usage = api.call("GET", "/api/images/usage").json()["total"]
    return {
        "jobs": JOBS,
        "succeeded": sum(job["status"] == "succeeded" for job in jobs),
        "starts": sum(gpu.starts for gpu in gpus),
        "starts_of_each_gpu": [gpu.starts for gpu in gpus],
        "seconds_to_all_images": round(done_at - asked_at, 1),
        "seconds_from_last_image_to_all_off": round(time.time() - done_at, 1),
        "usage": usage,
    }


def _gpu(emulator: Emulator, number: int) -> Gpu:
    gpu = Gpu(
        emulator.client("ec2"),
        fleet=STACK,
        checkpoint=CHECKPOINT,
        directory=DIRECTORY / f"comfyui-{number}",
        port=COMFYUI_PORT + number,
        number=number,
        options=PACE,
    )
    gpu.power(boot_seconds=BOOT_SECONDS)
    return gpu


def _ask(api: Api, number: int) -> str:
    """Request an image, again if the answer is 503, and return the id of its job."""
    headers = {"Prefer": "respond-async", "Idempotency-Key": f"image {number}"}
    # 50 functions start at once, which takes a small machine minutes.
    answer = api.call("POST", "/api/images/generate", json=BODY, headers=headers, timeout=180)
    if answer.status_code == requests.codes.service_unavailable:
        time.sleep(2)
        return _ask(api, number)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _are_done(api: Api) -> bool:
    # Not by status: all jobs may go from `starting` to `queued` between two requests.
    time.sleep(0.5)
    answer = api.call("GET", f"/api/images/jobs?limit={JOBS}")
    return answer.ok and all(job["finished_at"] for job in answer.json())


def _are_off(emulator: Emulator) -> bool:
    time.sleep(1)
    described = emulator.client("ec2").describe_instances()["Reservations"]
    return all(
        each["State"]["Name"] == "stopped" for group in described for each in group["Instances"]
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
