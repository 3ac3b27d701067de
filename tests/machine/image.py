"""The image from which machines start: Debian, with what the Deep Learning AMI has beside it."""

import logging
import os
import subprocess
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.machine.authority import Authority

log = logging.getLogger(__name__)

SUITE, PYTHON = "trixie", "3.13"
CUSTOMIZE = Path(__file__).parent / "customize.sh"
PACKAGES = (
    *("systemd", "systemd-sysv", "systemd-resolved", "systemd-timesyncd", "dbus", "udev"),
    *("libpam-systemd", "polkitd", "dbus-user-session", "linux-image-cloud-amd64"),
    *("initramfs-tools", "kmod", "e2fsprogs", "qemu-guest-agent", "dhcpcd-base", "iproute2"),
    *("netbase", "cloud-init", "cloud-guest-utils", "python3", "python3-venv", "python3-pip"),
    *("python3-aiohttp", "python3-pil", "awscli", "git", "curl", "ca-certificates", "procps"),
    *("less", "sudo", "unattended-upgrades"),
)


@dataclass(frozen=True)
class Image:
    """The files that QEMU boots."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"


def built(cache: Path, authority: Authority) -> Image:
    """Return the image in `cache`; build it if there is none, or one that was built otherwise."""
    image, checksum = Image(cache / SUITE), _recipe(authority)
    recipe = image.folder / "recipe"
    if not recipe.exists() or recipe.read_text() != checksum:
        recipe.unlink(missing_ok=True)
        _build(image, authority)
        recipe.write_text(checksum)
    return image


def _recipe(authority: Authority) -> str:
    parts = (CUSTOMIZE.read_bytes(), authority.certificate.read_bytes(), repr(PACKAGES).encode())
    return sha256(b"".join(parts)).hexdigest()


def _build(image: Image, authority: Authority) -> None:
    log.info("Building the image of Debian %s: 1 to 3 minutes", SUITE)
    began = time.monotonic()
    image.folder.mkdir(parents=True, exist_ok=True)
    for file in (image.root, image.kernel, image.initrd):
        file.touch()
        file.chmod(0o666)  # the hook runs as another user, unless this one is root
    environment = {"IMAGE": str(image.folder), "CA": str(authority.certificate)}
    options = ["--quiet", "--variant=minbase", "--format=null", f"--include={','.join(PACKAGES)}"]
    options += ['--aptopt=APT::Install-Recommends "false"', f"--customize-hook={CUSTOMIZE}"]
    command = ["mmdebstrap", *options, SUITE, "/dev/null", _mirror()]
    subprocess.run(command, env=os.environ | environment, check=True)
    log.info("Built the image in %.0f s", time.monotonic() - began)


def _mirror() -> str:
    """Return where this computer's apt gets Debian from."""
    form = ["--format", "$(REPO_URI) $(ORIGIN) $(RELEASE)", "Created-By: Packages"]
    command = ["apt-get", "indextargets", *form]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        uri, origin, release = line.split(maxsplit=2)
        if origin == "Debian" and "-" not in release:
            return uri
    raise LookupError("apt on this computer has no repository of Debian")
