"""`make chaos`: run 200 jobs under injected faults; no job may be lost or made twice."""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from infra.package import package
from local.chaos.callers import Callers
from local.chaos.damage import Stack
from local.chaos.faults import Faults
from local.chaos.orders import CALLERS, OWNERS, orders
from local.chaos.truth import Reader, Truth
from local.chaos.verdict import Verdict, judge
from local.stack.api import Api, new_key
from local.stack.deploy import STACK, deploy
from local.stack.emulator import Emulator
from local.stack.gpu import Gpu
from local.stack.processes import ROOT

# Own ports and data, because a demo may run at the same time.
DIRECTORY = ROOT / ".local" / "chaos"
EMULATOR_PORT, COMFYUI_PORT = 4666, 8288
RESULT = ROOT / "bench" / "chaos.json"

CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
PARAMETERS = {"Checkpoint": CHECKPOINT, "NoProgressSeconds": "6", "ScaleWaitSeconds": "5"}
STEP_SECONDS = 0.08  # times the GPUs, so that more of them are not done sooner
BOOT_SECONDS = 2.0

_FIRST_SECONDS = 150  # at most, until an image is there and faults begin
_CALLERS_SECONDS = 200  # after which callers do not repeat unanswered requests
_LAST_SECONDS = 150  # after all requests are answered
_TOLD = 20

_began = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - _began:5.1f} s] {text}", flush=True)


def main() -> int:
    """Run, print and record; return 1 if anything is wrong."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    gpus = int(os.environ.get("GPUS") or 1)
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))  # noqa: S311  # no secret
    say(f"GPUS={gpus} SEED={seed}")
    with ExitStack() as running:
        running.enter_context(_alone())
        verdict, faults = _run(running, gpus, random.Random(seed))  # noqa: S311
        say("stopping")
    figures = {**verdict.figures, "faults": faults, "seconds": round(time.monotonic() - _began)}
    _tell(verdict, figures)
    _record(gpus, {**figures, "seed": seed})
    return 1 if verdict.wrong else 0


@contextmanager
def _alone() -> Iterator[None]:
    DIRECTORY.parent.mkdir(exist_ok=True)
    with (DIRECTORY.parent / "chaos.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except OSError:
            raise SystemExit(
                "Another fault run is under way in this checkout: wait for it"
            ) from None
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        yield


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _run(running: ExitStack, count: int, chance: random.Random) -> tuple[Verdict, dict[str, int]]:
    package(DIRECTORY / "package")
    emulator = Emulator(DIRECTORY / "emulator", port=EMULATOR_PORT)
    running.callback(emulator.stop)
    outputs = deploy(emulator, DIRECTORY / "package", {**PARAMETERS, "FleetMax": str(count)})
    gpus = [_gpu(emulator, number, count) for number in range(1, count + 1)]
    for gpu in gpus:
        running.callback(gpu.stop)
    say(f"deployed at {outputs['ApiUrl']}; all GPUs are off")
    until = time.monotonic() + _CALLERS_SECONDS
    url = outputs["ApiUrl"]
    apis = [Api(url, _key(emulator, number)) for number in range(CALLERS)]
    callers = Callers(apis, orders(chance), until=until)
    stack = Stack(emulator, gpus, CHECKPOINT, outputs["JobsQueueUrl"])
    faults = Faults(stack, chance, say)
    running.callback(faults.stop)
    reader = Reader(
        emulator,
        Api(url, new_key(emulator, "reader")),
        outputs["ImagesBucketName"],
        [_disk(number) for number in range(1, count + 1)],
    )
    callers.start()
    reader.await_image(until=time.monotonic() + _FIRST_SECONDS)
    say("the first image is there; injecting faults")
    faults.start()
    faults.join()
    say("the last fault was injected")
    callers.join()
    say("all requests are answered; waiting for the last jobs")
    if not reader.await_ends(until=time.monotonic() + _LAST_SECONDS):
        say("out of time")
    truth = reader.truth({each.job_id for each in callers.answers if each.job_id})
    _keep(truth, callers, faults)
    return judge(truth, callers.answers), faults.counts


def _key(emulator: Emulator, number: int) -> str:
    owner = f"owner-{number % OWNERS}"  # several callers share an owner
    return new_key(emulator, f"caller-{number}", owner=owner, scopes="read,generate")


def _disk(number: int) -> Path:
    return DIRECTORY / f"comfyui-{number}"


def _gpu(emulator: Emulator, number: int, count: int) -> Gpu:
    gpu = Gpu(
        emulator.client("ec2"),
        fleet=STACK,
        checkpoint=CHECKPOINT,
        directory=_disk(number),
        port=COMFYUI_PORT + number,
        number=number,
        options=("--step-seconds", str(STEP_SECONDS * count), "--load-seconds", "1"),
    )
    gpu.power(boot_seconds=BOOT_SECONDS)
    return gpu


def _keep(truth: Truth, callers: Callers, faults: Faults) -> None:
    """Write all that was recorded to files, from which a cause can be found."""
    records: dict[str, Any] = {
        **truth._asdict(),
        "answers": callers.answers,
        "cancels": callers.cancels,
        "faults": faults.log,
    }
    for name, part in records.items():
        (DIRECTORY / f"{name}.json").write_text(json.dumps(part, indent=1, default=tuple) + "\n")


def _record(gpus: int, figures: dict[str, Any]) -> None:
    """Write the figures beside those of runs with other numbers of GPUs."""
    known = json.loads(RESULT.read_text())
    RESULT.write_text(json.dumps({**known, str(gpus): figures}, indent=2) + "\n")


def _tell(verdict: Verdict, figures: dict[str, Any]) -> None:
    print()
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key}: {count}" for key, count in value.items())
        print(f"  {name.replace('_', ' '):<16} {value}")
    rest = len(verdict.wrong) - _TOLD
    told = verdict.wrong[:_TOLD] + ([f"… and {rest} more"] if rest > 0 else [])
    print("\n" + "\n".join(told or ["No job was lost, and none was made twice."]), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
