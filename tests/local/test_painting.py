"""The pictures of the stand-in: repeatable, different, and of every size."""

from dataclasses import replace

import pytest

from local.comfyui.painting import Scene, paint
from local.comfyui.palette import PALETTES, WORDS

SCENE = Scene(
    model="stand-in.safetensors",
    positive="a quiet lake",
    negative="text",
    seed=7,
    steps=20,
    cfg=7.0,
    sampler_name="euler",
    scheduler="normal",
    denoise=1.0,
)
SIZE = (256, 192)


def test_the_same_scene_gives_the_same_pixels() -> None:
    assert paint(SCENE, SIZE, 0).tobytes() == paint(replace(SCENE), SIZE, 0).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other.safetensors"},
        {"positive": "a quiet lake, oil painting"},
        {"negative": "blurry"},
        {"seed": 8},
        {"steps": 4},
        {"cfg": 3.0},
        {"sampler_name": "dpmpp_2m"},
        {"scheduler": "karras"},
        {"denoise": 0.5},
    ],
)
def test_every_parameter_changes_the_picture(change: dict[str, str | float]) -> None:
    changed = Scene(**{**vars(SCENE), **change})
    assert paint(changed, SIZE, 0).tobytes() != paint(SCENE, SIZE, 0).tobytes()


def test_the_pictures_of_a_batch_differ() -> None:
    assert paint(SCENE, SIZE, 0).tobytes() != paint(SCENE, SIZE, 1).tobytes()


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (64, 2048), (2048, 64), (1024, 1024)])
@pytest.mark.parametrize("steps", [1, 150])
def test_every_size_can_be_painted(size: tuple[int, int], steps: int) -> None:
    picture = paint(replace(SCENE, steps=steps), size, 0)
    assert (picture.mode, picture.size) == ("RGB", size)
    assert len(set(picture.resize((16, 16)).tobytes())) > 10


def test_a_prompt_of_any_text_can_be_painted() -> None:
    for text in ("", "  ", "雪山の夜明け", "🦊" * 500, "\x00\n\ttabs"):
        assert paint(replace(SCENE, positive=text), SIZE, 0).size == SIZE


def test_every_palette_has_words_of_its_own() -> None:
    assert PALETTES.keys() == WORDS.keys()
    words = " ".join(WORDS.values()).split()
    assert len(words) == len(set(words))
