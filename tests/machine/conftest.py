"""A machine that is set up once, and copies of it for the tests."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.graphs import picture
from tests.machine import tools
from tests.machine.contents import CHECKPOINT, PORT, Contents
from tests.machine.machine import Machine
from tests.machine.place import Place, alone, prepared
from tests.machine.qemu import create_disk

ANSWERS = f"curl -sf -m 10 http://127.0.0.1:{PORT}/system_stats"
SET_UP_SECONDS, START_SECONDS = 1500, 600


@dataclass(frozen=True)
class Rig:
    """A machine that is off, and its cloud."""

    machine: Machine
    cloud: Contents

    def start(self, kernel_options: str = "") -> None:
        """Start the machine, and wait until ComfyUI answers."""
        self.machine.start(kernel_options)
        self.machine.wait_for(ANSWERS, START_SECONDS)

    def prompt(self, steps: int) -> None:
        """Give ComfyUI a job whose steps take 2 s each."""
        body = json.dumps({"prompt": picture(CHECKPOINT, steps=steps)}).encode()
        post = "curl -sf -H 'Content-Type: application/json' -d @-"
        self.machine.run(f"{post} http://127.0.0.1:{PORT}/prompt", body)


@dataclass(frozen=True)
class FirstStart:
    """A machine that was set up and is off: its disk, its cloud, and what it said."""

    disk: Path
    cloud: Contents
    stats: str
    boot_log: str


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    try:
        tools.check()
    except tools.Missing as missing:
        pytest.exit(str(missing), returncode=1)
    with alone():
        yield prepared()


@contextmanager
def _rig(place: Place, folder: Path, backing: Path, cloud: Contents) -> Iterator[Rig]:
    folder.mkdir(exist_ok=True)
    machine = Machine(place, folder, cloud.folder.path)
    create_disk(machine.files.disk, backing)
    try:
        yield Rig(machine, cloud)
    finally:
        machine.discard()
        machine.files.disk.unlink()


def _filled(folder: Path) -> Contents:
    cloud = Contents(folder)
    cloud.fill()
    return cloud


@pytest.fixture
def new(place: Place, tmp_path: Path) -> Iterator[Rig]:
    """A machine that was never on."""
    cloud = _filled(tmp_path / "cloud")
    with _rig(place, tmp_path / "machine", place.image.root, cloud) as rig:
        yield rig


@pytest.fixture(scope="session")
def first_start(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstStart]:
    """The first start of a machine, which was then stopped."""
    folder = tmp_path_factory.mktemp("first-start")
    cloud = _filled(folder / "cloud")
    with _rig(place, folder / "machine", place.image.root, cloud) as rig:
        rig.machine.start()
        rig.machine.wait_for(ANSWERS, SET_UP_SECONDS)
        stats = rig.machine.run(ANSWERS)
        boot_log = rig.machine.run("journalctl --no-pager -o cat -u darkroom-boot")
        rig.machine.stop()
        yield FirstStart(rig.machine.files.disk, cloud, stats, boot_log)


@pytest.fixture
def rig(place: Place, first_start: FirstStart, tmp_path: Path) -> Iterator[Rig]:
    """A machine that was set up."""
    cloud = first_start.cloud.copy(tmp_path / "cloud")
    with _rig(place, tmp_path / "machine", first_start.disk, cloud) as rig:
        yield rig


@pytest.fixture(scope="module")
def running(
    place: Place, first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    """A machine that was set up and started again, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("running")
    cloud = first_start.cloud.copy(folder / "cloud")
    with _rig(place, folder / "machine", first_start.disk, cloud) as rig:
        rig.start()
        yield rig


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the console of a failed test's machine."""
    report = yield
    used = getattr(item, "funcargs", {}).values()
    for console in [each.machine.files.console for each in used if isinstance(each, Rig)]:
        if report.failed and console.exists():
            report.sections.append(("console", console.read_text(errors="replace")[-6000:]))
    return report
