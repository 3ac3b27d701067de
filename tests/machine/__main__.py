"""Use a machine by hand: `python -m tests.machine up`, and in another terminal the others.

up [FOLDER]    start a machine, until Ctrl-C; FOLDER is a cloud, by default a new one
run COMMAND    run a command of bash in it
put FROM TO    copy a file or folder into its folder TO
off            press its power button
cut            cut its power
"""

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.machine import tools
from tests.machine.contents import Contents
from tests.machine.machine import Machine
from tests.machine.place import alone, cache, prepared
from tests.machine.qemu import create_disk


def _cloud() -> Path:
    return cache() / "by-hand-cloud"


def _machine(cloud: Path) -> Machine:
    return Machine(prepared(), cache() / "by-hand", cloud)


def _up(cloud: Path) -> None:
    """Its disk stays: the next `up` starts the same machine again."""
    if not cloud.exists():
        Contents(cloud).fill()
    machine = _machine(cloud)
    if not machine.files.disk.exists():
        machine.files.folder.mkdir(parents=True)
        create_disk(machine.files.disk, machine.place.image.root)
    try:
        machine.start()
        while not machine.is_off:
            time.sleep(1)
    finally:
        machine.discard()


def _up_alone(folder: str = "") -> None:
    with alone():
        _up(Path(folder).resolve() if folder else _cloud())


def _run(*command: str) -> int:
    status, output = _machine(_cloud()).attempt(" ".join(command))
    sys.stdout.write(output)
    return status


def _put(source: str, target: str) -> None:
    _machine(_cloud()).put(Path(source), target)


def _off() -> None:
    _machine(_cloud()).monitor("system_powerdown")


def _cut() -> None:
    _machine(_cloud()).monitor("quit")


COMMANDS: dict[str, Callable[..., int | None]] = {
    "up": _up_alone,
    "run": _run,
    "put": _put,
    "off": _off,
    "cut": _cut,
}


def main(name: str = "", *rest: str) -> int | None:
    """Run one command; return its status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if name not in COMMANDS:
        sys.exit(__doc__)
    tools.check()
    try:
        return COMMANDS[name](*rest)
    except (FileNotFoundError, ConnectionRefusedError):
        sys.exit("No machine is on: python -m tests.machine up")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
