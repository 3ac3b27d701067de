"""Write a checkpoint of Stable Diffusion 1.5 with random weights, by ComfyUI's own classes.

Run with ComfyUI's Python: checkpoint.py SOURCE FILE
"""

import os
import sys
from pathlib import Path

source, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
sys.argv[1:] = ["--cpu"]
sys.path.insert(0, str(source))
os.chdir(source)

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import torch  # noqa: E402
from comfy import ops  # noqa: E402
from comfy.ldm.models.autoencoder import AutoencoderKL  # noqa: E402
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel  # noqa: E402
from comfy.sd1_clip import SDClipModel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

# The published sizes of SD 1.5 (v1-inference.yaml).
UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "num_heads": 8,
    "use_spatial_transformer": True,
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "transformer_depth_middle": 1,
    "context_dim": 768,
    "use_linear_in_transformer": False,
    "legacy": False,
}
VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}


def weights(prefix: str, module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a module's tensors under the names of a checkpoint, with random weights."""
    return {prefix + name: random(name, each) for name, each in module.state_dict().items()}


def random(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.dtype.is_floating_point:
        return tensor.clone()
    if tensor.dim() > 1:
        return torch.empty(tensor.shape).normal_(0, 0.02).half()
    # Scales of norms, and biases.
    return torch.full(tensor.shape, float(name.endswith("weight"))).half()


def main() -> None:
    """Write the file."""
    torch.manual_seed(1)
    unet = UNetModel(**UNET, dtype=torch.float16, operations=ops.manual_cast)
    clip = SDClipModel(device="cpu", dtype=torch.float32)
    tensors = {
        **weights("model.diffusion_model.", unet),
        **weights("first_stage_model.", AutoencoderKL(embed_dim=4, ddconfig=VAE)),
        **weights("cond_stage_model.transformer.", clip.transformer),
    }
    unused = [name for name in tensors if name.endswith(("logit_scale", "text_projection.weight"))]
    for name in unused:
        del tensors[name]
    save_file({name: each.contiguous() for name, each in tensors.items()}, target)


main()
