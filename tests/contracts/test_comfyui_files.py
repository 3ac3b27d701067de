"""Downloading images from a server and uploading them to it."""

import io
import json
from uuid import uuid4

import pytest
from PIL import Image

from tests.contracts.graphs import flat, fresh_prefix, picture, save
from tests.contracts.protocol import ComfyUI


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def png(color: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_image_is_a_png_of_the_requested_size(comfyui: ComfyUI) -> None:
    graph = picture(comfyui.checkpoint)
    graph["5"]["inputs"] |= {"width": 128, "height": 64}
    answer = comfyui.view(comfyui.run(graph).images[0])
    assert answer.headers["Content-Type"] == "image/png"
    assert (opened(answer.content).format, opened(answer.content).size) == ("PNG", (128, 64))


def test_slashes_in_a_prefix_are_subfolders(comfyui: ComfyUI) -> None:
    folder = f"contract/{uuid4().hex}"
    run = comfyui.run(flat(f"{folder}/image"))
    image = {"filename": "image_00001_.png", "subfolder": folder, "type": "output"}
    assert run.images == [image]
    assert opened(comfyui.view(image).content).size == (64, 64)


def test_images_of_one_prefix_are_numbered(comfyui: ComfyUI) -> None:
    prefix = fresh_prefix()
    names = [comfyui.run(flat(prefix)).images[0]["filename"] for _ in range(2)]
    assert names == [f"{prefix}_00001_.png", f"{prefix}_00002_.png"]


def test_a_prefix_may_contain_the_size(comfyui: ComfyUI) -> None:
    prefix = fresh_prefix()
    run = comfyui.run(flat(f"{prefix}-%width%x%height%", width=72))
    assert run.images[0]["filename"] == f"{prefix}-72x64_00001_.png"


def test_an_image_contains_its_graph(comfyui: ComfyUI) -> None:
    graph = flat()
    run = comfyui.run(graph, extra_data={"extra_pnginfo": {"job": {"id": 7}}})
    image = opened(comfyui.view(run.images[0]).content)
    assert json.loads(image.info["prompt"]) == graph
    assert json.loads(image.info["job"]) == {"id": 7}


def test_an_empty_image_has_the_requested_color(comfyui: ComfyUI) -> None:
    run = comfyui.run(flat(color=0x336699))
    image = opened(comfyui.view(run.images[0]).content)
    assert image.getpixel((32, 32)) == (0x33, 0x66, 0x99)


def test_a_preview_is_temporary(comfyui: ComfyUI) -> None:
    graph = flat()
    graph["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    (image,) = comfyui.run(graph).images
    assert (image["type"], image["subfolder"]) == ("temp", "")
    assert opened(comfyui.view(image).content).size == (64, 64)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 404),
        ({"filename": "missing.png"}, 404),
        ({"filename": "missing.png", "type": "temp"}, 404),
        ({"filename": "missing.png", "subfolder": "missing"}, 404),
        ({"filename": ""}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "../input/x.png"}, 400),
        ({"filename": "a..b.png"}, 400),
        ({"filename": "x.png", "type": "models"}, 400),
        ({"filename": "x.png", "subfolder": "../.."}, 403),
    ],
)
def test_a_file_that_cannot_be_downloaded_returns_an_error_status(
    comfyui: ComfyUI, params: dict[str, str], status: int
) -> None:
    assert comfyui.get("/view", params).status_code == status


def test_range_and_if_none_match_headers_are_supported(comfyui: ComfyUI) -> None:
    image = comfyui.run(flat()).images[0]
    whole = comfyui.view(image)
    part = comfyui.get("/view", image, headers={"Range": "bytes=0-7"})
    known = comfyui.get("/view", image, headers={"If-None-Match": whole.headers["Etag"]})
    assert (part.status_code, part.content) == (206, b"\x89PNG\r\n\x1a\n")
    assert (known.status_code, known.content) == (304, b"")
    assert whole.headers["Content-Disposition"] == f'filename="{image["filename"]}"'


@pytest.mark.parametrize(
    ("preview", "kind"), [("jpeg", "JPEG"), ("webp;50", "WEBP"), ("nonsense", "WEBP")]
)
def test_an_image_can_be_downloaded_in_another_format(
    comfyui: ComfyUI, preview: str, kind: str
) -> None:
    image = comfyui.run(flat()).images[0]
    answer = comfyui.view(image, preview=preview)
    assert answer.headers["Content-Type"] == f"image/{kind.lower()}"
    assert (opened(answer.content).format, opened(answer.content).size) == (kind, (64, 64))


def test_a_single_channel_can_be_downloaded_without_the_graph(comfyui: ComfyUI) -> None:
    image = comfyui.run(flat()).images[0]
    colors = opened(comfyui.view(image, channel="rgb").content)
    alpha = opened(comfyui.view(image, channel="a").content)
    assert (colors.mode, alpha.mode) == ("RGB", "RGBA")
    assert "prompt" not in colors.info


def test_an_uploaded_image_can_be_loaded(comfyui: ComfyUI) -> None:
    name, folder = f"{uuid4().hex}.png", "contract/uploads"
    stored = comfyui.upload(name, png("red"), subfolder=folder).json()
    assert stored == {"name": name, "subfolder": folder, "type": "input"}
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": f"{folder}/{name}"}}}
    graph["2"] = save(["1", 0])
    loaded = opened(comfyui.view(comfyui.run(graph).images[0]).content)
    assert loaded.getpixel((32, 32)) == (255, 0, 0)


def test_an_upload_of_other_bytes_under_a_taken_name_gets_a_new_name(comfyui: ComfyUI) -> None:
    name = f"{uuid4().hex}.png"
    uploads = [png("red"), png("red"), png("blue")]
    stored = [comfyui.upload(name, content).json()["name"] for content in uploads]
    assert stored == [name, name, name.replace(".png", " (1).png")]
    assert comfyui.upload(name, png("green"), overwrite="true").json()["name"] == name


def test_an_upload_outside_its_folder_is_refused(comfyui: ComfyUI) -> None:
    assert comfyui.upload("x.png", png("red"), subfolder="../..").status_code == 400


def test_an_upload_of_an_unknown_type_is_a_server_error(comfyui: ComfyUI) -> None:
    assert comfyui.upload("x.png", png("red"), type="nonsense").status_code == 500
