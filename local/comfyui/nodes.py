"""The functions of the node classes."""

import json
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from local.comfyui.files import Folders, Series
from local.comfyui.graph import Graph
from local.comfyui.painting import Scene, paint

# Separates the previews of different server processes.
PROCESS_SUFFIX = "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))


@dataclass(frozen=True)
class Latent:
    """A picture before it is decoded: its size, and its scene once it was sampled."""

    width: int
    height: int
    batch_size: int
    scene: Scene | None = None


@dataclass(frozen=True)
class Result:
    """The values of a node's outputs, and the images that it presents to the user."""

    values: tuple[object, ...] = ()
    images: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """The inputs of one node, and what else it may use."""

    inputs: dict[str, Any]
    graph: Graph
    extra_data: dict[str, Any]
    folders: Folders
    has_metadata: bool
    load: Callable[[str], None]
    use: Callable[[str, str], None]
    take_step: Callable[[int, int], None]


def load_checkpoint(task: Task) -> Result:
    checkpoint = task.inputs["ckpt_name"]
    task.load(checkpoint)
    return Result((checkpoint, checkpoint, checkpoint))


def encode_text(task: Task) -> Result:
    task.use(task.inputs["clip"], "SD1ClipModel")
    return Result((task.inputs["text"],))


def empty_latent(task: Task) -> Result:
    width, height = (task.inputs[side] // 8 * 8 for side in ("width", "height"))
    return Result((Latent(width, height, task.inputs["batch_size"]),))


def sample(task: Task) -> Result:
    inputs = dict(task.inputs)
    latent = inputs.pop("latent_image")
    task.use(inputs["model"], "BaseModel")
    for step in range(1, inputs["steps"] + 1):
        task.take_step(step, inputs["steps"])
    return Result((replace(latent, scene=Scene(**inputs)),))


def decode(task: Task) -> Result:
    latent = task.inputs["samples"]
    task.use(task.inputs["vae"], "AutoencoderKL")
    size = (latent.width, latent.height)
    if latent.scene is None:
        return Result(([Image.new("RGB", size, "#7f7f7f")] * latent.batch_size,))
    return Result(([paint(latent.scene, size, index) for index in range(latent.batch_size)],))


def empty_image(task: Task) -> Result:
    inputs = task.inputs
    rgb = inputs["color"].to_bytes(3, "big")
    image = Image.new("RGB", (inputs["width"], inputs["height"]), tuple(rgb))
    return Result(([image] * inputs["batch_size"],))


def load_image(task: Task) -> Result:
    with Image.open(task.folders.input_image(task.inputs["image"])) as file:
        upright = ImageOps.exif_transpose(file)
        return Result(([upright.convert("RGB")], [upright.convert("RGBA").getchannel("A")]))


def save(task: Task) -> Result:
    return _write(task, task.inputs["filename_prefix"], "output")


def preview(task: Task) -> Result:
    return _write(task, f"ComfyUI_temp_{PROCESS_SUFFIX}", "temp")


def _write(task: Task, prefix: str, kind: str) -> Result:
    images = task.inputs["images"]
    series = Series.for_prefix(prefix, task.folders.base / kind, images[0].size)
    metadata = _metadata(task)
    written = []
    for index, (number, image) in enumerate(enumerate(images, series.next_number())):
        name = series.file_name(number, index)
        image.save(Path(series.folder, name), pnginfo=metadata, compress_level=4)
        written.append({"filename": name, "subfolder": series.subfolder, "type": kind})
    return Result((images,), written)


def _metadata(task: Task) -> PngInfo | None:
    if not task.has_metadata:
        return None
    metadata = PngInfo()
    extra_pnginfo = task.extra_data.get("extra_pnginfo") or {}
    for key, value in {"prompt": task.graph, **extra_pnginfo}.items():
        metadata.add_text(key, json.dumps(value))
    return metadata


NODES: dict[str, Callable[[Task], Result]] = {
    "CheckpointLoaderSimple": load_checkpoint,
    "CLIPTextEncode": encode_text,
    "EmptyLatentImage": empty_latent,
    "KSampler": sample,
    "VAEDecode": decode,
    "EmptyImage": empty_image,
    "LoadImage": load_image,
    "SaveImage": save,
    "PreviewImage": preview,
}
