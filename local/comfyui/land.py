"""Paints the land of a picture: ridges, trees and water."""

from array import array

from PIL import Image, ImageDraw, ImageOps

from local.comfyui.chance import Chance
from local.comfyui.palette import Colour, Mood, Palette, mix

RIDGES = 6
FIRST_RIDGE_WITH_TREES = 4
SUPERSAMPLING = 2


def add_land(
    picture: Image.Image, mood: Mood, layout: Chance, detail: Chance, octaves: int
) -> None:
    """Paint ridges from far to near, each darker and flatter, and a lake if the mood has water."""
    horizon, roughness = layout.between(0.5, 0.6), layout.between(0.32, 0.52)
    palette = mood.palette
    for number in range(RIDGES):
        depth = number / (RIDGES - 1)
        base = (horizon + (0.98 - horizon) * depth**1.2) * picture.height
        relief = (0.42 - 0.3 * depth) * picture.height
        if mood.has_water and number >= FIRST_RIDGE_WITH_TREES:
            base += relief / 2
        outline = _outline(picture.width, base, relief, roughness, octaves, layout)
        colour = mix(palette.far, palette.near, depth**0.8)
        mist = mix(colour, palette.horizon, 0.55 * (1 - depth))
        if mood.has_water and number == FIRST_RIDGE_WITH_TREES:
            _add_lake(picture, palette, int(picture.height * (horizon + 0.86) / 2), detail)
        _add_ridge(picture, outline, (colour, mist), number - FIRST_RIDGE_WITH_TREES + 1, detail)


def _outline(
    width: int, base: float, relief: float, roughness: float, octaves: int, chance: Chance
) -> list[float]:
    columns = width * SUPERSAMPLING
    heights = [base] * columns
    for octave in range(octaves):
        points = max(4, round(4 * 2**octave * width / 1024) + 3)
        noise = chance.noise(points, 1).convert("F").resize((columns, 1), Image.Resampling.BICUBIC)
        amplitude = relief * roughness**octave / 255
        heights = [
            height - (value - 127) * amplitude
            for height, value in zip(heights, array("f", noise.tobytes()), strict=True)
        ]
    return heights


def _add_ridge(
    picture: Image.Image,
    outline: list[float],
    colours: tuple[Colour, Colour],
    forest: int,
    chance: Chance,
) -> None:
    width, height = picture.size
    tallest = height / 28 * max(0, forest)
    top = max(0, int(min(outline) - tallest))
    if top >= height:
        return
    strip = Image.new("L", (width * SUPERSAMPLING, (height - top) * SUPERSAMPLING))
    draw = ImageDraw.Draw(strip)
    points = [(x, (y - top) * SUPERSAMPLING) for x, y in enumerate(outline)]
    draw.polygon([(0, strip.height), *points, (strip.width, strip.height)], 255)
    for _ in range(forest * 40):
        _draw_tree(draw, chance.pick(points), tallest * SUPERSAMPLING * chance.between(0.3, 1))
    fill = ImageOps.colorize(Image.linear_gradient("L").resize((1, 256)), *colours)
    picture.paste(fill.resize((width, height - top)), (0, top), strip.reduce(SUPERSAMPLING))


def _draw_tree(draw: ImageDraw.ImageDraw, foot: tuple[int, float], tall: float) -> None:
    x, y = foot
    for tier in range(4):
        tip, hem = y - tall * (1 - tier * 0.2), y - tall * (0.55 - tier * 0.19)
        half = tall * (0.1 + 0.045 * tier)
        draw.polygon([(x - half, hem), (x, tip), (x + half, hem)], 255)


def _add_lake(picture: Image.Image, palette: Palette, shore: int, chance: Chance) -> None:
    width, depth = picture.width, picture.height - shore
    mirrored = picture.crop((0, max(0, shore - 2 * depth), width, shore))
    surface = mirrored.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((width, depth))
    tint = Image.new("RGB", surface.size, mix(palette.middle, palette.near, 0.3))
    picture.paste(Image.blend(surface, tint, 0.35), (0, shore))
    draw = ImageDraw.Draw(picture, "RGBA")
    for _ in range(70):
        nearness = chance.between(0, 1)
        x, y = chance.between(-0.1, 1) * width, shore + nearness**2 * depth
        length = chance.between(0.02, 0.12) * width * (0.4 + nearness)
        light = (*palette.light, int(chance.between(18, 80)))
        draw.line((x, y, x + length, y), light, max(1, int(nearness * depth / 110)))
