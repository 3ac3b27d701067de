"""Graphs for the contract tests."""

import itertools
from typing import Any
from uuid import uuid4

Graph = dict[str, dict[str, Any]]

_colors = itertools.count(0x102030)


def fresh_prefix() -> str:
    """Return a filename prefix that no image has yet."""
    return f"contract-{uuid4().hex}"


def flat(prefix: str | None = None, **inputs: object) -> Graph:
    """Return a graph for an image of one color, which no earlier graph has; it needs no model."""
    size = {"width": 64, "height": 64, "batch_size": 1, "color": next(_colors)}
    return {
        "1": {"class_type": "EmptyImage", "inputs": size | inputs},
        "2": save(["1", 0], prefix),
    }


def save(images: list[Any], prefix: str | None = None) -> dict[str, Any]:
    """Return a node that saves the images of another node."""
    inputs = {"images": images, "filename_prefix": prefix or fresh_prefix()}
    return {"class_type": "SaveImage", "inputs": inputs}


def picture(checkpoint: str, steps: int = 2, batch_size: int = 1) -> Graph:
    """Return a small text-to-image graph, with the node ids of ComfyUI's default graph."""
    sampling = {
        "seed": next(_colors),
        "steps": steps,
        "cfg": 7.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
    }
    size = {"width": 64, "height": 64, "batch_size": batch_size}
    return {
        "3": {"class_type": "KSampler", "inputs": sampling},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "5": {"class_type": "EmptyLatentImage", "inputs": size},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lake", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": save(["8", 0]),
    }
