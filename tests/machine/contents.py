"""Fills the folder of a cloud from this checkout, as a deployment fills an account."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from infra.bundle import INSTANCE, bundle
from tests.machine.cloud import s3
from tests.machine.cloud.folder import Folder
from tests.machine.cloud.metadata import INSTANCE as INSTANCE_ID
from tests.machine.cloud.metadata import REGION
from tests.machine.image import PYTHON
from tests.machine.place import ROOT

HERE = Path(__file__).parent
STACK, BUNDLES, MODELS, PORT = "darkroom", "bundles", "models", "8188"
CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"


class Contents:
    """What a machine finds in its cloud, and left there."""

    def __init__(self, folder: Path) -> None:
        self.folder = Folder(folder)
        self._repository = self.folder.repositories / "Comfy-Org/ComfyUI.git"

    def fill(self) -> None:
        """Provide a deployment of this checkout, with one checkpoint."""
        self.folder.path.mkdir(parents=True)
        text = (INSTANCE / "user-data.sh").read_text()
        text = text.replace("${AWS::Region}", REGION).replace("${AWS::StackName}", STACK)
        self.folder.user_data.write_text(text)
        self._settings.parent.mkdir(parents=True)
        self.set(
            COMFYUI_COMMIT=self.release_comfyui(),
            COMFYUI_PORT=PORT,
            CHECKPOINTS=self.offer_checkpoint(CHECKPOINT),
            SWITCH_IDLE_SECONDS="1800",
            SWITCH_MAX_UPTIME_SECONDS="86400",
            LOG_GROUP="/darkroom/instances",
            IMAGES_BUCKET=s3.IMAGES,
            **self._offer_bundle(),
        )

    def copy(self, folder: Path) -> "Contents":
        """Return a cloud with the same content."""
        shutil.copytree(self.folder.path, folder, symlinks=True)
        return Contents(folder)

    @property
    def _settings(self) -> Path:
        return self.folder.parameter(f"{STACK}/instance")

    def settings(self) -> dict[str, str]:
        """Return the settings, by name."""
        text = self._settings.read_text() if self._settings.exists() else ""
        pairs = (line.partition("=") for line in text.splitlines())
        return {name: value for name, _, value in pairs}

    def set(self, **settings: str) -> None:
        """Change settings, which the machine reads at its next start."""
        lines = [f"{name}={value}\n" for name, value in (self.settings() | settings).items()]
        self._settings.write_text("".join(lines))

    def break_down(self, name: str, fault: str) -> None:
        """Give a service or bucket a fault: `503`, `drop` or `sleep SECONDS`."""
        file = self.folder.fault(name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(fault)

    def mend(self, name: str) -> None:
        """End a fault."""
        self.folder.fault(name).unlink()

    def offer_checkpoint(self, name: str) -> str:
        """Store a checkpoint; return its location."""
        file = self.folder.bucket(MODELS) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.checkpoint(name))
        return f"s3://{MODELS}/{name}"

    def checkpoint(self, name: str) -> bytes:
        """Return the content of a checkpoint."""
        return name.encode() * 10_000

    def _offer_bundle(self) -> dict[str, str]:
        copy = self.folder.path / "instance"
        shutil.copytree(INSTANCE, copy)
        # What the stand-in requires are Debian's packages; there is no package index.
        (copy / "comfyui-requirements.txt").write_text(f"# CPython {PYTHON}\n")
        shutil.copy(HERE / "check_gpu.py", copy)
        packed, checksum = bundle(copy)
        key = f"instance/{checksum}.tar.gz"
        file = self.folder.bucket(BUNDLES) / key
        file.parent.mkdir(parents=True)
        file.write_bytes(packed)
        return {"BUCKET": BUNDLES, "BUNDLE_KEY": key, "BUNDLE_SHA256": checksum}

    def release_comfyui(self) -> str:
        """Commit a version of ComfyUI; return the commit."""
        if not self._repository.exists():
            self._write_comfyui()
            self._git("init", "--quiet")
        author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        self._git("add", ".")
        self._git(*author, "commit", "--quiet", "--allow-empty", "--message", "a version")
        return self._git("rev-parse", "HEAD")

    @property
    def comfyui_main(self) -> Path:
        """The file that ComfyUI is started with."""
        return self._repository / "main.py"

    def _write_comfyui(self) -> None:
        package, others = self._repository / "local", shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "local/comfyui", package / "comfyui", ignore=others)
        (package / "__init__.py").touch()
        for file in (HERE / "comfyui").glob("*.py"):
            shutil.copy(file, self._repository)
        (self._repository / "requirements.txt").write_text("torch\naiohttp\n")

    def _git(self, *words: str) -> str:
        command = ["git", "-C", str(self._repository), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def report(self) -> dict[str, Any] | None:
        """Return the report of the newest start; None if the machine has sent none."""
        file = self.folder.bucket(s3.IMAGES) / f"boots/{INSTANCE_ID}.json"
        report: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
        return report
