"""The programs of Debian that a machine needs."""

import shutil

# Each program, and the package that has it.
PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "git": "git",
    "openssl": "openssl",
    "ip": "iproute2",
    "unshare": "util-linux",
    "mke2fs": "e2fsprogs",
}


class Missing(Exception):
    """A program is not installed."""


def check() -> None:
    """Raise Missing, with the command that installs what is missing."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if missing:
        command = "apt-get install --no-install-recommends " + " ".join(missing)
        raise Missing(f"A test machine needs packages of Debian. Install them: {command}")
