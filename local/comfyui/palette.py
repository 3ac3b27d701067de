"""Chooses the colors of a picture from the words of its prompt."""

import colorsys
import re
from dataclasses import dataclass
from typing import NamedTuple

from local.comfyui.chance import Chance

Colour = tuple[int, int, int]


class Palette(NamedTuple):
    """Colors from the top of the sky to the foreground."""

    zenith: Colour
    middle: Colour
    horizon: Colour
    light: Colour
    far: Colour
    near: Colour


@dataclass(frozen=True)
class Mood:
    """The colors of a picture, and whether it has stars and water."""

    palette: Palette
    has_stars: bool
    has_water: bool


def _palette(hexadecimal: str) -> Palette:
    red, green, blue = (bytes.fromhex(hexadecimal)[start::3] for start in range(3))
    return Palette(*zip(red, green, blue, strict=True))


#                   zenith middle horizon light far   near
PALETTES = {
    "dawn": _palette("3a4a86 c98bb0 ffdcae fff3d6 a98fb8 2b2145"),
    "day": _palette("2d78bd 86c1e6 eaf5ee fffbe8 9dc0cb 1d4a3c"),
    "dusk": _palette("231a47 b0446c ffa45c ffe3a8 8d4c70 150d24"),
    "night": _palette("060b22 16315c 4a6d99 f4f4ff 2f4a6e 060a14"),
    "aurora": _palette("07122b 0f4a5a 54c7a2 e9fff4 1f5a66 04141a"),
    "desert": _palette("3f86b0 f0c48c fdebcb fff6dc dd9c68 6e2c1d"),
    "forest": _palette("6fa99b c9e0ca f5f2dc fffdf0 8db3a0 10302a"),
    "winter": _palette("6e99c2 c6dbec fcfdff ffffff aec6dc 35536f"),
    "lagoon": _palette("0d6c9a 4fc0c9 fdf0d0 fffbe6 6fb7b7 0c3b46"),
    "candy": _palette("57327f e06aa5 ffe3a0 fff4d2 a65c9d 2c1846"),
}
WORDS = {
    "dawn": "dawn sunrise morning spring pastel soft",
    "day": "day noon sky summer meadow bright blue",
    "dusk": "dusk sunset evening autumn fire lava volcano red orange",
    "night": "night moon star stars dark space galaxy midnight city cyberpunk",
    "aurora": "aurora northern magic magical fantasy dragon fairy alien",
    "desert": "desert sand dune dunes mars canyon savanna western",
    "forest": "forest tree trees jungle green garden fog mist misty",
    "winter": "winter snow snowy ice icy frozen cold arctic",
    "lagoon": "sea ocean beach lake island tropical water underwater river",
    "candy": "pink purple neon anime vaporwave retro synthwave candy",
}
STARRY = {"night", "aurora"}
LAKE_SHARE = 0.3


def mood_for(positive: str, negative: str, cfg: float, chance: Chance) -> Mood:
    """Return the mood that matches the prompt best and not the negative prompt; else any mood."""
    wanted, unwanted = _words(positive), _words(negative)
    allowed = [name for name in PALETTES if not unwanted & _words(WORDS[name])] or list(PALETTES)
    score = {name: len(wanted & _words(WORDS[name])) for name in allowed}
    name = chance.pick([name for name in allowed if score[name] == max(score.values())])
    shift, vividness = chance.between(-0.025, 0.025), 0.75 + min(cfg, 20) / 28
    palette = Palette(*(_graded(colour, shift, vividness) for colour in PALETTES[name]))
    has_water = bool(wanted & _words(WORDS["lagoon"])) or chance.between(0, 1) < LAKE_SHARE
    return Mood(palette, name in STARRY, has_water)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return a color between two; `share` is that of the other, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _graded(colour: Colour, shift: float, vividness: float) -> Colour:
    hue, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    saturation = min(1.0, saturation * vividness)
    red, green, blue = colorsys.hls_to_rgb((hue + shift) % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)
