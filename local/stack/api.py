"""The API of a deployment on the emulator, as who holds a key calls it."""

import os
import subprocess
import sys
from typing import Any, NamedTuple

import requests

from local.stack.deploy import STACK
from local.stack.emulator import ACCESS_KEY, REGION, SECRET_KEY, Emulator
from local.stack.processes import ROOT

# Limits that nobody meets here who did not ask for others.
_PLENTY = ("--requests-per-minute", "1000000", "--images-per-day", "1000000")


class Api(NamedTuple):
    """Where the API is, and a key to it."""

    url: str
    key: str

    def call(
        self, method: str, address: str, *, timeout: float = 60, **options: Any
    ) -> requests.Response:
        """Send a request to a path of the API, or to one of its URLs."""
        url = f"{self.url}{address}" if address.startswith("/") else address
        headers = {**self.headers, **options.pop("headers", {})}
        return requests.request(method, url, headers=headers, timeout=timeout, **options)

    @property
    def headers(self) -> dict[str, str]:
        """What every request needs."""
        return {"Authorization": f"Bearer {self.key}"}


def new_key(
    emulator: Emulator, name: str, *limits: str, owner: str | None = None, scopes: str = "admin"
) -> str:
    """Make an API key of the deployment, as who deployed it would."""
    about = ("--owner", owner or name, "--scopes", scopes)
    return keys(emulator, "create", name, *about, *_PLENTY, *limits)


def keys(emulator: Emulator, *command: str) -> str:
    """Run `infra.keys` on the deployment and return what it prints."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }
    done = subprocess.run(
        [sys.executable, "-m", "infra.keys", STACK, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"infra.keys {command[0]} failed: {done.stderr}")
    return done.stdout.strip()
