"""The command line of QEMU, and disks."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.machine.cloud.metadata import MAC
from tests.machine.image import Image

# cloud-init recognizes EC2 by these.
_UUID = "ec2a0000-0000-4000-8000-000000000001"
_SMBIOS = [
    *("-smbios", "type=0,vendor=Amazon EC2"),
    "-smbios",
    f"type=1,manufacturer=Amazon EC2,product=g6.xlarge,uuid={_UUID},serial={_UUID}",
]
# The machine reaches every address through the host's own; see host.py.
_NETWORK = [
    *("-netdev", "user,id=net0,ipv6=off,net=10.73.16.0/24,dhcpstart=10.73.16.15"),
    *("-device", f"virtio-net-pci,netdev=net0,id=nic0,mac={MAC}"),
]
_KERNEL_OPTIONS = "root=/dev/vda rw console=ttyS0 systemd.show_status=yes loglevel=4"


@dataclass(frozen=True)
class Files:
    """What a machine has in its folder."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def monitor(self) -> Path:
        return self.folder / "monitor"

    @property
    def agent(self) -> Path:
        return self.folder / "agent"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def host_log(self) -> Path:
        return self.folder / "host.log"


def create_disk(disk: Path, backing: Path) -> None:
    """Create a disk that keeps only what differs from another."""
    form = "raw" if backing.suffix == ".img" else "qcow2"
    options = ["-q", "-f", "qcow2", "-F", form, "-b", str(backing.resolve())]
    subprocess.run(["qemu-img", "create", *options, str(disk)], check=True)


def command(files: Files, image: Image, kernel_options: str) -> list[str]:
    """Return the command of a machine that waits for `cont`."""
    drive = f"file={files.disk},if=virtio,format=qcow2,cache=unsafe"
    kernel = ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
    return [
        *("qemu-system-x86_64", "-display", "none", "-nodefaults", "-no-reboot", "-S"),
        *_processor(),
        *kernel,
        *("-append", f"{_KERNEL_OPTIONS} {kernel_options}"),
        *("-drive", drive),
        *_NETWORK,
        *_SMBIOS,
        *_channels(files),
    ]


def _processor() -> list[str]:
    # Emulation, because nested KVM does not boot on every host.
    is_emulated = os.environ.get("MACHINE_ACCELERATOR", "tcg") == "tcg"
    kind = ["tcg,thread=multi", "-cpu", "Nehalem"] if is_emulated else ["kvm", "-cpu", "host"]
    return ["-accel", *kind, "-m", "2048", "-smp", "2"]


def _channels(files: Files) -> list[str]:
    return [
        *("-device", "virtio-rng-pci", "-device", "virtio-serial"),
        *("-chardev", f"socket,id=agent,path={files.agent},server=on,wait=off"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        *("-qmp", f"unix:{files.monitor},server=on,wait=off"),
        *("-chardev", f"file,id=console,path={files.console},append=on"),
        *("-serial", "chardev:console"),
    ]
