"""How the parameters of an image are composed, for any input."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.catalogs import DEFAULTS
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.schemas.limits import SEED_MAX
from chalicelib.services.jobs.parameters import PROMPT_LONGEST, compose, defaults_from, seeds

BUILT_IN = {
    "negative_prompt": "",
    "width": 512,
    "height": 512,
    "steps": 20,
    "cfg_scale": 7.0,
    "sampler": "euler",
    "scheduler": "normal",
}

sizes = st.integers(8, 256).map(lambda eighth: eighth * 8)
texts = st.text(st.characters(exclude_characters="\0"), max_size=30)
asked_values: dict[str, st.SearchStrategy[Any]] = {
    "negative_prompt": texts,
    "width": sizes,
    "height": sizes,
    "steps": st.integers(1, 150),
    "cfg_scale": st.floats(0, 30),
}
setting_values: dict[str, st.SearchStrategy[Any]] = {
    **asked_values,
    "sampler": st.sampled_from(["ddim", "lms"]),
    "scheduler": st.sampled_from(["karras", "simple"]),
    "checkpoint": st.sampled_from(["a.ckpt", "b.ckpt"]),
}
asked = st.fixed_dictionaries({}, optional=asked_values)
defaults = st.fixed_dictionaries({}, optional=setting_values)
formats = st.none() | st.fixed_dictionaries({"name": texts, "width": sizes, "height": sizes})


def composed(
    prompt: str = "x",
    *,
    wanted: dict[str, Any] | None = None,
    template: str | None = None,
    size: dict[str, Any] | None = None,
    known: dict[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    parameters = compose(
        GenerateRequest(prompt=prompt, **(wanted or {})),
        style=None if template is None else {"prompt_template": template},
        size=size,
        defaults={"checkpoint": "c.ckpt", **(known or {})},
        seed=seed,
    )
    return structs.asdict(parameters)


@given(wanted=asked, size=formats, known=defaults)
def test_request_wins_over_format_over_settings_over_built_in(
    wanted: dict[str, Any], size: dict[str, Any] | None, known: dict[str, Any]
) -> None:
    found = composed(wanted=wanted, size=size, known=known)
    for name in (*BUILT_IN, "checkpoint"):
        if name in wanted:
            expected = wanted[name]
        elif size and name in ("width", "height"):
            expected = size[name]
        elif name in known:
            expected = known[name]
        else:
            expected = {**BUILT_IN, "checkpoint": "c.ckpt"}[name]
        assert found[name] == expected, name


@given(seed=st.integers(0, SEED_MAX), wanted=st.integers(-1, SEED_MAX))
def test_the_seed_is_the_one_that_was_chosen_for_this_image(seed: int, wanted: int) -> None:
    assert composed(wanted={"seed": wanted}, seed=seed)["seed"] == seed


@given(prompt=st.text(min_size=1))
def test_without_a_style_the_prompt_is_untouched(prompt: str) -> None:
    assert composed(prompt)["prompt"] == prompt


@given(prompt=st.text(min_size=1), before=st.text("ab{} "), after=st.text("ab{} "))
def test_a_style_inserts_the_prompt_unchanged(prompt: str, before: str, after: str) -> None:
    found = composed(prompt, template=f"{before}{{prompt}}{after}")["prompt"]
    assert found == f"{before}{prompt}{after}"


@given(prompt=st.text(min_size=1), template=st.text("ab{} ", min_size=1))
def test_a_style_without_placeholder_comes_before_the_prompt(prompt: str, template: str) -> None:
    assert composed(prompt, template=template)["prompt"] == f"{template}, {prompt}"


def test_every_placeholder_is_filled() -> None:
    assert composed("{prompt}", template="{prompt}|{prompt}")["prompt"] == "{prompt}|{prompt}"


def test_a_styled_prompt_may_be_as_long_as_the_limit_and_no_longer() -> None:
    prompt = "x" * 10_000
    template = "{prompt}" + "y" * (PROMPT_LONGEST - 10_000)
    assert len(composed(prompt, template=template)["prompt"]) == PROMPT_LONGEST
    with pytest.raises(InvalidRequest) as refused:
        composed(prompt, template=f"{template}y")
    assert refused.value.field == "prompt"


def test_settings_are_converted_to_the_types_of_their_parameters() -> None:
    settings = {"default_width": "640", "default_cfg_scale": "5", "default_sampler": "ddim"}
    found = defaults_from({"name": name, "value": value} for name, value in settings.items())
    assert found == {"width": 640, "cfg_scale": 5.0, "sampler": "ddim"}
    assert type(found["cfg_scale"]) is float


other_names = texts.filter(lambda name: name not in DEFAULTS)


@given(name=st.sampled_from(["width", "default_seed", "default_prompt"]) | other_names)
def test_settings_with_other_names_set_no_defaults(name: str) -> None:
    assert defaults_from([{"name": name, "value": "64"}]) == {}


counts = st.integers(1, 8)
any_seed = st.integers(0, SEED_MAX)


@example(first=0, count=1, random=5)
@given(first=any_seed, count=counts, random=any_seed)
def test_seeds_start_at_the_requested_seed_and_are_all_different(
    first: int, count: int, random: int
) -> None:
    found = seeds(first, count, random)
    assert found[0] == first
    assert len(set(found)) == len(found) == count
    assert all(0 <= seed <= SEED_MAX for seed in found)


@given(count=counts, random=any_seed, no_seed=st.sampled_from([-1, None]))
def test_a_seed_that_is_not_given_is_random(count: int, random: int, no_seed: int | None) -> None:
    found = seeds(no_seed, count, random)
    assert found == seeds(random, count, 0)
    assert found[0] == random


def test_seeds_wrap_around_at_two_to_the_sixty_fourth() -> None:
    assert seeds(2**64 - 2, 4, 0) == [2**64 - 2, 2**64 - 1, 0, 1]
    assert seeds(-1, 2, 2**64 - 1) == [2**64 - 1, 0]
