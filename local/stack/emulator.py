"""The AWS emulator, ministack, with its data in one directory."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config

from local.stack.processes import LOOPBACK, ROOT, Process, free_port, wait_until

PORT = 4566
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
REGION = "us-east-1"
# The emulator's fixed account and secret, which are valid only on this machine.
ACCESS_KEY, SECRET_KEY = "000000000000", "test"

_START_SECONDS = 30
_PORT_SECONDS = 10


def environment(url: str) -> dict[str, str]:
    """Return the environment variables with which a program uses the emulator at this URL."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


class Emulator:
    """Emulated AWS on loopback; `stop` saves its data, a kill loses all since the last stop."""

    def __init__(self, directory: Path, *, port: int = PORT) -> None:
        self._directory = directory
        self.is_fresh = not self._is_saved()
        if self.is_fresh:
            # Without saved state a bucket on the disk belongs to no stack, and breaks a new one.
            shutil.rmtree(directory, ignore_errors=True)
        self._clear_temporary()
        self.url = f"http://{LOOPBACK}:{self._port(port)}"
        # Requests to this machine must not go through a proxy.
        os.environ["NO_PROXY"] = f"{os.environ.get('NO_PROXY', '')},{LOOPBACK}"
        self._process = Process(
            [str(PYTHON), "-m", "local.stack.aws"], directory / "log.txt", self._environment()
        )
        wait_until(self._answers, "the start of the AWS emulator", seconds=_START_SECONDS)

    def client(self, service: str) -> Any:
        """Return a boto3 client of an emulated service."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
        )

    def stop(self) -> None:
        """Save the data and end the emulator."""
        self._process.stop()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    def _port(self, preferred: int) -> int:
        """Return the port of the first run: the URLs of saved queues contain it."""
        file = self._directory / "port"
        port = int(file.read_text()) if file.exists() else free_port(preferred)
        try:  # after a stop, functions that still run may hold the port for some seconds
            wait_until(lambda: free_port(port) == port, "a free port", seconds=_PORT_SECONDS)
        except TimeoutError:
            raise SystemExit(
                f"Another program uses port {port}, which the saved data is bound to. "
                "Stop that program, or delete the data with `make clean`."
            ) from None
        file.write_text(str(port))
        return port

    def _is_saved(self) -> bool:
        state = self._directory / "state"
        return state.is_dir() and any(state.iterdir())

    def _clear_temporary(self) -> None:
        shutil.rmtree(self._directory / "tmp", ignore_errors=True)
        for name in ("tmp", "state", "s3", "home"):
            (self._directory / name).mkdir(parents=True, exist_ok=True)

    def _environment(self) -> dict[str, str]:
        # Without this process's variables: the emulator passes its environment to every function.
        at = self._directory.resolve()
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(at / "home"),
            "TMPDIR": str(at / "tmp"),
            "LANG": "C.UTF-8",
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": self.url.rpartition(":")[2],
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(at / "state"),
            "S3_DATA_DIR": str(at / "s3"),
        }

    def _answers(self) -> bool:
        if not self._process.is_alive:
            raise RuntimeError(f"The AWS emulator did not start; see {self._directory / 'log.txt'}")
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/_ministack/health", timeout=2).ok
        return False
