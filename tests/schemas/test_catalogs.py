"""Names of settings that look like defaults."""

import json

import pytest

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.catalogs import DEFAULTS, Setting
from chalicelib.schemas.parsing import parse


def setting(name: str, value: str = "64") -> Setting:
    body = {"name": name, "value": value, "description": ""}
    return parse(json.dumps(body).encode(), Setting)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("default_Width", "default_width"),
        ("DEFAULT_WIDTH", "default_width"),
        ("default_width ", "default_width"),
        ("\tdefault_width\n", "default_width"),
        ("default-width", "default_width"),
        ("Default Width", "default_width"),
        ("default.width", "default_width"),
        ("default__width", "default_width"),
        ("defaultWidth", "default_width"),
        ("DefaultCfgScale", "default_cfg_scale"),
        ("default_\u200bwidth", "default_width"),
        ("de\u00adfault_width", "default_width"),
        ("\uff44efault\uff3f\uff37idth", "default_width"),
        ("default_widht", "default_width"),
        ("default_guidance_scale", "default_cfg_scale"),
        ("default_guidance", "default_cfg_scale"),
        ("default_cfg", "default_cfg_scale"),
        ("default_num_inference_steps", "default_steps"),
        ("default_sampling_steps", "default_steps"),
        ("default_sampler_name", "default_sampler"),
        ("default_model", "default_checkpoint"),
        ("default_ckpt_name", "default_checkpoint"),
        ("default_negative", "default_negative_prompt"),
    ],
)
def test_a_name_that_begins_with_default_is_refused_with_the_nearest_one(
    name: str, meant: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        setting(name)
    assert caught.value.field == "name"
    assert f"did you mean {meant}?" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["default_color", "default_", f"default_{'x' * 192}", "default_😀"]
)
def test_a_default_that_is_like_none_is_refused_too(name: str) -> None:
    with pytest.raises(InvalidRequest, match="did you mean default_"):
        setting(name)


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_default_is_accepted(name: str) -> None:
    assert setting(name, "8" if name == "default_cfg_scale" else "64").name == name


@pytest.mark.parametrize(
    "name", ["theme", "default", "defaults", "defaulter", "my_default_width", "width", "_default_x"]
)
def test_other_names_are_free(name: str) -> None:
    assert setting(name).name == name
