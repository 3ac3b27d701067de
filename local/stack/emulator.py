"""The AWS emulator, ministack, with its data below one directory."""

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
# The emulator's fixed account and secret; nothing outside this machine knows them.
ACCESS_KEY, SECRET_KEY = "000000000000", "test"

_START_SECONDS = 30
_PORT_SECONDS = 10


class Emulator:
    """Emulated AWS on loopback; `stop` saves its data, a kill loses all since the last stop."""

    def __init__(self, directory: Path, *, port: int = PORT) -> None:
        self._directory = directory
        self.is_fresh = not self._is_saved()
        if self.is_fresh:
            # Without saved state the bucket on disk belongs to no stack, and would break one.
            shutil.rmtree(directory, ignore_errors=True)
        self._clear_temporary()
        self.url = f"http://{LOOPBACK}:{self._port(port)}"
        # Whoever has a proxy does not want it between us and this machine.
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
        """Save everything and end."""
        self._process.stop()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    def _port(self, preferred: int) -> int:
        """Keep the first port: the saved queues are known by URLs that have it in them."""
        file = self._directory / "port"
        port = int(file.read_text()) if file.exists() else free_port(preferred)
        try:  # functions that still run may hold it for some seconds after a stop
            wait_until(lambda: free_port(port) == port, "a free port", seconds=_PORT_SECONDS)
        except TimeoutError:
            raise SystemExit(
                f"Port {port}, which this demo's data belongs to, is taken by another program. "
                "Stop that one, or forget the data with `make clean`."
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
        # Nothing of ours is passed on: the emulator hands its environment to every function.
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
            raise RuntimeError(f"the AWS emulator ended; see {self._directory / 'log.txt'}")
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/_ministack/health", timeout=2).ok
        return False
