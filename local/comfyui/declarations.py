"""The inputs and outputs of the stand-in's node classes, as /object_info describes them."""

from dataclasses import dataclass
from typing import Any

from local.comfyui.choices import SAMPLERS, SCHEDULERS

Input = tuple[str | list[str], dict[str, Any]]

PNG_METADATA = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def integer(default: int, minimum: int, maximum: int, **more: object) -> Input:
    """Declare an INT input with its limits."""
    return "INT", {"default": default, "min": minimum, "max": maximum, **more}


def decimal(default: float, minimum: float, maximum: float, **more: object) -> Input:
    """Declare a FLOAT input with its limits."""
    return "FLOAT", {"default": default, "min": minimum, "max": maximum, **more}


def link(kind: str) -> Input:
    """Declare an input that must be linked to another node."""
    return kind, {}


@dataclass(frozen=True)
class Declaration:
    """The inputs, outputs and menu category of one node class."""

    required: dict[str, Input]
    returns: tuple[str, ...]
    category: str
    display_name: str = ""
    hidden: dict[str, str] | None = None
    output_names: tuple[str, ...] = ()
    is_output: bool = False

    def to_json(self, name: str) -> dict[str, Any]:
        """Return the entry of this class in /object_info."""
        inputs: dict[str, Any] = {"required": self.required}
        if self.hidden:
            inputs["hidden"] = self.hidden
        return {
            "input": inputs,
            "input_order": {kind: list(names) for kind, names in inputs.items()},
            "is_input_list": False,
            "output": self.returns,
            "output_is_list": [False] * len(self.returns),
            "output_name": self.output_names or self.returns,
            "name": name,
            "display_name": self.display_name or name,
            "description": "",
            "python_module": "nodes",
            "category": self.category,
            "output_node": self.is_output,
            "has_intermediate_output": False,
            "search_aliases": [],
        }


def declarations(checkpoints: list[str], input_images: list[str]) -> dict[str, Declaration]:
    """Return all node classes, with the given choices."""
    return {
        "CheckpointLoaderSimple": Declaration(
            {"ckpt_name": (checkpoints, {})},
            ("MODEL", "CLIP", "VAE"),
            "model/loaders",
            "Load Checkpoint",
        ),
        "LoadImage": Declaration(
            {"image": (input_images, {"image_upload": True})},
            ("IMAGE", "MASK"),
            "image",
            "Load Image",
        ),
        **FIXED,
    }


_LATENT_SIDE = integer(512, 16, 16384, step=8)
_IMAGE_SIDE = integer(512, 1, 16384, step=1)
_BATCH_SIZE = integer(1, 1, 4096)

FIXED = {
    "KSampler": Declaration(
        {
            "model": link("MODEL"),
            "seed": integer(0, 0, 2**64 - 1, control_after_generate=True),
            "steps": integer(20, 1, 10000),
            "cfg": decimal(8.0, 0.0, 100.0, step=0.1, round=0.01),
            "sampler_name": (SAMPLERS, {}),
            "scheduler": (SCHEDULERS, {}),
            "positive": link("CONDITIONING"),
            "negative": link("CONDITIONING"),
            "latent_image": link("LATENT"),
            "denoise": decimal(1.0, 0.0, 1.0, step=0.01),
        },
        ("LATENT",),
        "model/sampling",
    ),
    "CLIPTextEncode": Declaration(
        {"text": ("STRING", {"multiline": True, "dynamicPrompts": True}), "clip": link("CLIP")},
        ("CONDITIONING",),
        "model/conditioning",
        "CLIP Text Encode (Prompt)",
    ),
    "EmptyLatentImage": Declaration(
        {"width": _LATENT_SIDE, "height": _LATENT_SIDE, "batch_size": _BATCH_SIZE},
        ("LATENT",),
        "model/latent",
        "Empty Latent Image",
    ),
    "VAEDecode": Declaration(
        {"samples": link("LATENT"), "vae": link("VAE")}, ("IMAGE",), "model/latent", "VAE Decode"
    ),
    "SaveImage": Declaration(
        {"images": link("IMAGE"), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
        ("IMAGE",),
        "image",
        "Save Image",
        PNG_METADATA,
        ("images",),
        is_output=True,
    ),
    "PreviewImage": Declaration(
        {"images": link("IMAGE")},
        ("IMAGE",),
        "image",
        "Preview Image",
        PNG_METADATA,
        ("images",),
        is_output=True,
    ),
    "EmptyImage": Declaration(
        {
            "width": _IMAGE_SIDE,
            "height": _IMAGE_SIDE,
            "batch_size": _BATCH_SIZE,
            "color": integer(0, 0, 0xFFFFFF, step=1, display="color"),
        },
        ("IMAGE",),
        "image",
        "Empty Image",
    ),
}
