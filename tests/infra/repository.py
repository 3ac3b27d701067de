"""A git repository in the place of ComfyUI's."""

import subprocess
from pathlib import Path

REPOSITORY = "https://github.com/Comfy-Org/ComfyUI.git"


class Repository:
    """A repository of ComfyUI in which each version is one line of bash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._git("init", "--quiet")

    def release(self, version: str, program: str) -> str:
        (self.folder / "main.py").write_text(f"{program} # {version}\n")
        (self.folder / "requirements.txt").write_text("torch\naiohttp\n")
        self._git("add", ".")
        self._git("commit", "--quiet", "--message", version)
        self._git("tag", "--annotate", "--message", version, version)
        return self._git("rev-parse", "HEAD")

    def _git(self, *words: str) -> str:
        author = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", *author, *words], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()
