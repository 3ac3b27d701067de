"""A client of an API that is deployed on the emulator, and commands for its keys."""

import os
import subprocess
import sys
from typing import Any, NamedTuple

import requests

from local.stack.deploy import STACK
from local.stack.emulator import Emulator, environment
from local.stack.processes import ROOT

# Limits that no test or run reaches, unless it sets its own.
_PLENTY = ("--requests-per-minute", "1000000", "--images-per-day", "1000000")


class Api(NamedTuple):
    """The API's base URL, and a key."""

    url: str
    key: str

    def call(
        self, method: str, address: str, *, timeout: float = 60, **options: Any
    ) -> requests.Response:
        """Send a request to a path of the API, or to an absolute URL."""
        url = f"{self.url}{address}" if address.startswith("/") else address
        headers = {**self.headers, **options.pop("headers", {})}
        return requests.request(method, url, headers=headers, timeout=timeout, **options)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Authorization": f"Bearer {self.key}"}


def new_key(
    emulator: Emulator, name: str, *limits: str, owner: str | None = None, scopes: str = "admin"
) -> str:
    """Create an API key of the deployment with the operator's command."""
    about = ("--owner", owner or name, "--scopes", scopes)
    return keys(emulator, "create", name, *about, *_PLENTY, *limits)


def keys(emulator: Emulator, *command: str) -> str:
    """Run `infra.keys` on the deployment and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.keys", STACK, *command],
        cwd=ROOT,
        env={**os.environ, **environment(emulator.url)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"infra.keys {command[0]} failed: {done.stderr}")
    return done.stdout.strip()
