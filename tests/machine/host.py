"""Runs QEMU and the cloud in a network of their own: `python -m tests.machine.host …`.

QEMU's user-mode network passes whatever the machine connects to on to this network, where every
name has the cloud's address, and from which nothing leads out. Ends with QEMU, and ends QEMU when
standard input ends, so that nothing is left when the process that started it is killed.
"""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.machine.authority import Authority
from tests.machine.cloud import metadata, server
from tests.machine.cloud.folder import Folder


def command(cloud: Path, authority: Path, qemu: list[str]) -> list[str]:
    """Return the command that runs this module in namespaces of its own."""
    rootless = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    module = [sys.executable, "-m", "tests.machine.host"]
    return ["unshare", *rootless, "--net", "--mount", *module, str(cloud), str(authority), *qemu]


def main(cloud: str, authority: str, *qemu: str) -> int:
    """Run until QEMU ends; return its status."""
    _set_up_network()
    server.start(Folder(Path(cloud)), Authority(Path(authority)))
    machine = subprocess.Popen(qemu, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_parent, args=(machine,), daemon=True).start()
    return machine.wait()


def _set_up_network() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (metadata.ADDRESS, server.ADDRESS):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    # QEMU passes names on to the name server of this file.
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("nameserver 127.0.0.1\n")
        file.flush()
        target = os.path.realpath("/etc/resolv.conf")
        subprocess.run(["mount", "--bind", file.name, target], check=True)


def _end_with_parent(machine: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    machine.kill()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
