"""ComfyUI's folders, and the names of the files that it writes."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """The folders below one base directory."""

    base: Path

    def prepare(self) -> None:
        """Create missing folders and delete temporary files, as ComfyUI does at each start."""
        shutil.rmtree(self.base / "temp", ignore_errors=True)
        for name in ("input", "output", "models/checkpoints"):
            (self.base / name).mkdir(parents=True, exist_ok=True)

    def of_type(self, kind: str) -> Path | None:
        """Return the folder of a `type` of the protocol; None for an unknown type."""
        return self.base / kind if kind in ("input", "output", "temp") else None

    def annotated(self, name: str) -> tuple[str, Path | None]:
        """Split `image.png [output]` into the name and the folder that it names."""
        for kind in ("output", "input", "temp"):
            if name.endswith(f"[{kind}]"):
                return name[: -len(kind) - 3], self.of_type(kind)
        return name, None

    def input_image(self, name: str) -> Path:
        """Return the file that `name` means to a LoadImage node."""
        bare, folder = self.annotated(name)
        return (folder or self.base / "input") / bare

    def has_input_image(self, name: str) -> bool:
        """Return whether a LoadImage node would find this image, in the folder that it names."""
        _, folder = self.annotated(name)
        file = self.input_image(name)
        return is_below(file, folder or self.base / "input") and file.exists()

    def input_images(self) -> list[str]:
        """Return the choices of a LoadImage node."""
        suffixes = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}
        files = (self.base / "input").iterdir()
        return sorted(file.name for file in files if file.suffix.lower() in suffixes)

    def checkpoints(self) -> list[str]:
        """Return the names of the checkpoint files in the models folder."""
        folder = self.base / "models" / "checkpoints"
        suffixes = {".ckpt", ".pt", ".pth", ".bin", ".safetensors", ".sft"}
        found = (file for file in folder.rglob("*") if file.suffix.lower() in suffixes)
        return sorted(str(file.relative_to(folder)) for file in found)


def is_below(path: Path, folder: Path) -> bool:
    """Return whether the path, with `..` resolved, is in the folder."""
    return Path(os.path.normpath(path)).is_relative_to(folder)


@dataclass(frozen=True)
class Series:
    """The numbered files that share one prefix."""

    folder: Path
    subfolder: str
    name: str

    @classmethod
    def for_prefix(cls, prefix: str, folder: Path, size: tuple[int, int]) -> "Series":
        """Parse a `filename_prefix`: slashes separate subfolders, and %tokens% are replaced."""
        wanted = Path(os.path.normpath(_fill(prefix, size)))
        subfolder = "" if str(wanted.parent) == "." else str(wanted.parent)
        if not is_below(folder / subfolder, folder):
            raise ValueError(
                "**** ERROR: Saving image outside the output folder is not allowed."
                f"\n full_output_folder: {os.path.normpath(folder / subfolder)}"
                f"\n         output_dir: {folder}"
            )
        (folder / subfolder).mkdir(parents=True, exist_ok=True)
        return cls(folder / subfolder, subfolder, wanted.name)

    def next_number(self) -> int:
        """Return the highest number in use plus one; a deleted newest number is reused."""
        start = f"{self.name}_"
        names = (file.name for file in self.folder.iterdir() if file.name.startswith(start))
        return max((_number(name[len(start) :]) for name in names), default=0) + 1

    def file_name(self, number: int, batch_number: int) -> str:
        """Return the file name of one image of a batch."""
        return f"{self.name.replace('%batch_num%', str(batch_number))}_{number:05}_.png"


def _number(rest: str) -> int:
    digits = rest.split("_")[0]
    return int(digits) if digits.isdigit() else 0


def _fill(prefix: str, size: tuple[int, int]) -> str:
    now = time.localtime()
    tokens = {"%width%": str(size[0]), "%height%": str(size[1]), "%year%": str(now.tm_year)}
    for token, code in zip(
        ("month", "day", "hour", "minute", "second"), ("m", "d", "H", "M", "S"), strict=True
    ):
        tokens[f"%{token}%"] = time.strftime(f"%{code}", now)
    for token, value in tokens.items():
        prefix = prefix.replace(token, value)
    return prefix
