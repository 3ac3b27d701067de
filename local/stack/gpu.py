"""A GPU instance on the emulator: its stand-in ComfyUI runs while EC2 describes it as running."""

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.stack.processes import LOOPBACK, Process, free_port

PORT = 8188
_LOOK_SECONDS = 0.25
_TAG = "darkroom:fleet"


def launch(ec2: Any, tags: dict[str, str]) -> str:
    """Launch an instance with these tags; return its id."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    launched = ec2.run_instances(
        ImageId="ami-00000000000000000",
        InstanceType="g5.xlarge",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )
    return str(launched["Instances"][0]["InstanceId"])


class Gpu:
    """An instance of the fleet, whose machine boots some seconds after EC2 started it."""

    def __init__(
        self,
        ec2: Any,
        *,
        fleet: str,
        checkpoint: str,
        directory: Path,
        port: int = PORT,
        number: int = 1,
        options: Sequence[str] = (),
    ) -> None:
        self._ec2 = ec2
        self._name = f"{fleet}-gpu-{number}"
        self._options = ["--base-directory", str(directory), "--checkpoint", checkpoint, *options]
        self._directory = directory
        self._preferred_port = port
        self.id = self._find(fleet) or self._launch(fleet)
        self._take(free_port(port))
        self._ec2.stop_instances(InstanceIds=[self.id])
        self._machine: Process | None = None
        self.starts = 0
        self._is_over = threading.Event()
        self._watch = threading.Thread(target=self._follow, daemon=True)

    def power(self, *, boot_seconds: float) -> None:
        """Begin to start and stop the machine with its instance."""
        self._boot_seconds = boot_seconds
        self._watch.start()

    def stop(self) -> None:
        """Stop the machine and the instance."""
        self._is_over.set()
        if self._watch.is_alive():
            self._watch.join()
        self._switch_off()
        self._ec2.stop_instances(InstanceIds=[self.id])

    def _take(self, port: int) -> None:
        self._port = port
        self.url = f"http://{LOOPBACK}:{port}"
        endpoint = {"Key": "darkroom:endpoint", "Value": self.url}
        self._ec2.create_tags(Resources=[self.id], Tags=[endpoint])

    def _find(self, fleet: str) -> str | None:
        filters = [
            {"Name": f"tag:{_TAG}", "Values": [fleet]},
            {"Name": "tag:Name", "Values": [self._name]},
            {"Name": "instance-state-name", "Values": ["stopped", "running"]},
        ]
        found = self._ec2.describe_instances(Filters=filters)["Reservations"]
        ids = [each["InstanceId"] for group in found for each in group["Instances"]]
        return ids[0] if ids else None

    def _launch(self, fleet: str) -> str:
        return launch(self._ec2, {_TAG: fleet, "Name": self._name})

    def _follow(self) -> None:
        started_at: float | None = None
        while not self._is_over.wait(_LOOK_SECONDS):
            if not self._is_on():
                started_at = None
                self._switch_off()
            elif started_at is None:
                started_at = time.monotonic()
                self.starts += 1
            elif not self._is_up() and time.monotonic() - started_at > self._boot_seconds:
                self._boot()

    def _is_on(self) -> bool:
        described = self._ec2.describe_instances(InstanceIds=[self.id])
        return bool(described["Reservations"][0]["Instances"][0]["State"]["Name"] == "running")

    def _is_up(self) -> bool:
        # A machine that died is started again, as systemd restarts ComfyUI on an instance.
        return self._machine is not None and self._machine.is_alive

    def _boot(self) -> None:
        if free_port(self._port) != self._port:  # another program took it while the GPU was off
            self._take(free_port(self._preferred_port))
        command = [sys.executable, "-m", "local.comfyui", "--port", str(self._port)]
        command.append("--disable-metadata")  # as on an instance
        self._machine = Process([*command, *self._options], self._directory / "log.txt")

    def _switch_off(self) -> None:
        if self._machine:
            self._machine.stop()
            self._machine = None
