"""ComfyUI's requirements are frozen: a version and a hash each, without the AMI's PyTorch."""

import io
import re
import tarfile

from infra.bundle import INSTANCE, bundle, workflow_nodes
from infra.freeze import locked

LINE = re.compile(r"[a-z0-9-]+==[^ ]+ --hash=sha256:[0-9a-f]{64}")
LINES = (INSTANCE / "comfyui-requirements.txt").read_text().splitlines()
NAMES = [line.partition("==")[0] for line in LINES[1:]]


def wheel(name: str, version: str) -> dict[str, object]:
    hashes = {"sha256": name[0] * 64}
    return {
        "metadata": {"name": name, "version": version},
        "download_info": {"archive_info": {"hashes": hashes}},
    }


def test_each_requirement_has_a_version_and_a_hash() -> None:
    assert LINES[0] == "# CPython 3.12"
    assert [line for line in LINES[1:] if not LINE.fullmatch(line)] == []
    assert sorted(set(NAMES)) == NAMES


def test_the_requirements_leave_pytorch_to_the_ami() -> None:
    assert {"torchsde", "aiohttp", "requests", "safetensors", "comfyui-frontend-package"} <= {
        *NAMES
    }
    theirs = [name for name in NAMES if name.startswith(("nvidia-", "cuda-", "triton"))]
    assert theirs + [name for name in NAMES if name in {"torch", "torchvision", "torchaudio"}] == []


def test_a_report_of_pip_becomes_sorted_lines_without_pytorchs_packages() -> None:
    names = ("torch", "torchsde", "nvidia-cublas", "cuda_toolkit", "triton", "PyOpenGL", "a.b_c")
    made = locked({"install": [wheel(name, "1.0") for name in names]})
    assert [line.partition(" ")[0] for line in made] == [
        "a-b-c==1.0",
        "pyopengl==1.0",
        "torchsde==1.0",
    ]
    assert made[0].endswith(f"--hash=sha256:{'a' * 64}")


def test_the_bundle_names_the_nodes_that_the_trial_looks_for() -> None:
    assert {"KSampler", "SaveImage", "PreviewImage"} <= {*workflow_nodes()}
    with tarfile.open(fileobj=io.BytesIO(bundle()[0])) as archive:
        nodes = archive.extractfile("nodes.txt")
        assert nodes
        assert nodes.read().decode().split() == workflow_nodes()
