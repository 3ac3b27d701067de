"""A GPU instance in a directory: the real scripts, and stand-ins for the machine's commands."""

import re
import signal
import subprocess
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from infra.bundle import INSTANCE, bundle
from tests.infra.repository import REPOSITORY, Repository

COMMANDS = Path(__file__).parent / "commands"
RECORDED = [
    *("amazon-cloudwatch-agent-ctl", "apt-mark", "aws", "chown", "curl", "dpkg-query", "git"),
    *("journalctl", "mknod", "modprobe", "nvidia-modprobe", "nvidia-smi", "runuser", "snap"),
    *("sync", "systemctl", "systemd-run", "systemd-sysusers", "systemd-tmpfiles"),
]
WORKS, FAILS = "echo loaded", "exit 1"
POWER_OFF = "^systemctl start poweroff.target --job-mode=replace-irreversibly --no-block"
ROUTES = "Iface Destination Gateway\neth0 00000000 0110490A\n"
MACHINE = {
    "proc/uptime": "20.00 9.00\n",
    "proc/net/route": ROUTES,
    "proc/devices": "511 nvidia-uvm\n",
    "var/lib/cloud/data/instance-id": "i-1\n",
}


class Instance:
    """An instance's disk, the files in its bucket, and the commands that it calls."""

    def __init__(self, folder: Path) -> None:
        self.root, self.cloud = folder / "root", folder / "cloud"
        self.calls_file, self.commands = folder / "calls", folder / "commands"
        self.comfyui = Repository(folder / "ComfyUI")
        for directory in (self.root, self.cloud / "bucket/b", self.commands):
            directory.mkdir(parents=True)
        for name in RECORDED:
            (self.commands / name).symlink_to(COMMANDS / "recorded")
        self._install_ami()
        (self.cloud / "bucket/model.safetensors").write_bytes(b"a model")
        self.settings: dict[str, str] = {
            "BUCKET": "bucket",
            "IMAGES_BUCKET": "images",
            "COMFYUI_PORT": "8190",
            "CHECKPOINTS": "s3://bucket/model.safetensors",
            "SWITCH_IDLE_SECONDS": "900",
            "LOG_GROUP": "/darkroom/instances",
        }
        self.offer(bundle())
        self.offer_comfyui("v1", WORKS)

    def _install_ami(self) -> None:
        for name, content in MACHINE.items():
            file = self.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        python = self.root / "opt/pytorch/bin/python"
        python.parent.mkdir(parents=True)
        python.write_bytes((COMMANDS / "python").read_bytes())
        python.chmod(0o755)
        agent = self.root / "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
        agent.parent.mkdir(parents=True)
        agent.symlink_to(COMMANDS / "recorded")

    def offer(self, made: tuple[bytes, str]) -> None:
        """Put a bundle into the bucket, and its name into the settings."""
        (self.cloud / "bucket/b/bundle.tar.gz").write_bytes(made[0])
        self.settings |= {"BUNDLE_KEY": "b/bundle.tar.gz", "BUNDLE_SHA256": made[1]}

    def offer_comfyui(self, version: str, program: str) -> str:
        commit = self.comfyui.release(version, program)
        self.settings["COMFYUI_COMMIT"] = commit
        return commit

    @cached_property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.commands}:/usr/bin:/bin",
            "DARKROOM_ROOT": str(self.root),
            "CALLS": str(self.calls_file),
            "CLOUD": str(self.cloud),
            "DARKROOM_PAUSE": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{self.comfyui.folder}.insteadOf",
            "GIT_CONFIG_VALUE_0": REPOSITORY,
        }

    def first_start(self, **environment: str) -> str:
        """Run the user data as cloud-init does once, and then the unit that it enables."""
        text = (INSTANCE / "user-data.sh").read_text()
        text = text.replace("${AWS::Region}", "eu-west-1").replace("${AWS::StackName}", "stack")
        script = self.root.parent / "user-data"
        script.write_text(text)
        script.chmod(0o755)
        said = self._run(script, environment)
        return said + self.start(**environment)

    def start(self, **environment: str) -> str:
        """Return what `darkroom-boot.service` prints at a start; its exit status is in `code`."""
        lines = [f"{name}={value}" for name, value in self.settings.items()]
        (self.cloud / "settings").write_text("\n".join(lines) + "\n")
        self.calls_file.write_text("")
        return self._run(self.root / "usr/local/sbin/darkroom-start", environment)

    def run(self, script: str, **environment: str) -> str:
        return self._run(INSTANCE / script, environment)

    def _run(self, script: Path, environment: dict[str, str]) -> str:
        done = subprocess.run(
            [script],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,
        )
        self.code = done.returncode
        return done.stdout

    @property
    def was_cut(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines()

    def position(self, pattern: str) -> int:
        """Return the index of the first call that matches."""
        return next(index for index, call in enumerate(self.calls) if re.search(pattern, call))

    def called(self, pattern: str) -> bool:
        return any(re.search(pattern, call) for call in self.calls)

    @property
    def runs(self) -> str:
        """The ComfyUI that the service would start."""
        return (self.root / "opt/comfyui/current/source/main.py").read_text().split()[-1]

    @property
    def is_ready(self) -> bool:
        """Whether the last start has left all as it should be."""
        switch = self.root / "usr/local/sbin/darkroom-switch"
        return (
            self.code == 0
            and switch.read_bytes() == (INSTANCE / "darkroom-switch").read_bytes()
            and self.checkpoints == {"model.safetensors": b"a model"}
            and self.called("systemctl start --no-block comfyui.service ")
        )

    @property
    def checkpoints(self) -> dict[str, bytes]:
        directory = self.root / "var/lib/comfyui/models/checkpoints"
        return {file.name: file.read_bytes() for file in directory.iterdir()}


def checksum(content: bytes) -> str:
    return sha256(content).hexdigest()


def names_in(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}
