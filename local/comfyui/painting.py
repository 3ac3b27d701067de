"""Paints a landscape in place of the image that a model would make."""

from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from local.comfyui.chance import Chance
from local.comfyui.land import add_land
from local.comfyui.palette import Colour, Palette, mix, mood_for

SMALLEST_WITH_CAPTION = 256
CAPTION_WORDS = 7
CLOUD_GRAINS = ((5, 7), (12, 22))


@dataclass(frozen=True)
class Scene:
    """Everything a picture depends on."""

    model: str
    positive: str
    negative: str
    seed: int
    steps: int
    cfg: float
    sampler_name: str
    scheduler: str
    denoise: float


def paint(scene: Scene, size: tuple[int, int], index: int) -> Image.Image:
    """Paint one picture of a batch; equal arguments give equal pixels."""
    layout = Chance(scene.positive, scene.seed, index)
    detail = Chance(scene, index)
    mood = mood_for(scene.positive, scene.negative, scene.cfg, layout)
    palette = mood.palette
    picture = _sky(size, palette)
    if mood.has_stars:
        _add_stars(picture, palette, detail)
    _add_light(picture, palette, layout)
    _add_clouds(picture, palette, detail)
    add_land(picture, mood, layout, detail, octaves=min(6, 2 + scene.steps // 3))
    if min(size) >= SMALLEST_WITH_CAPTION:
        _add_caption(picture, scene, index, palette.near)
    return picture


def _sky(size: tuple[int, int], palette: Palette) -> Image.Image:
    width, height = size
    ramp = Image.linear_gradient("L").resize((1, 256))
    column = ImageOps.colorize(ramp, palette.zenith, palette.horizon, palette.middle)
    sky = Image.new("RGB", size, palette.horizon)
    sky.paste(column.resize((width, height * 2 // 3), Image.Resampling.BICUBIC))
    return sky


def _add_stars(picture: Image.Image, palette: Palette, chance: Chance) -> None:
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    for _ in range(240):
        x, y = chance.between(0, width), chance.between(0, 1) ** 1.6 * height * 0.6
        radius = chance.between(0, 1) ** 4 * max(width, height) / 500
        colour = mix(palette.zenith, palette.light, chance.between(0.25, 1))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)


def _add_light(picture: Image.Image, palette: Palette, chance: Chance) -> None:
    width, height = picture.size
    centre = chance.between(0.18, 0.82) * width, chance.between(0.14, 0.4) * height
    radius = chance.between(0.035, 0.085) * min(width, height) + 2
    glow = Image.radial_gradient("L").point([_glow(value) for value in range(256)])
    disc = Image.new("L", (256, 256))
    ImageDraw.Draw(disc).ellipse((0, 0, 255, 255), 255)
    for reach, mask in ((9, glow), (2.6, glow), (1, disc)):
        _paste_centred(picture, palette.light, centre, radius * reach, mask)


def _glow(distance: int) -> int:
    return int(max(0.0, 1 - distance / 175) ** 2 * 190)


def _paste_centred(
    picture: Image.Image,
    colour: Colour,
    centre: tuple[float, float],
    radius: float,
    mask: Image.Image,
) -> None:
    side = max(2, int(2 * radius))
    corner = int(centre[0] - side / 2), int(centre[1] - side / 2)
    picture.paste(colour, corner, mask.resize((side, side), Image.Resampling.BILINEAR))


def _add_clouds(picture: Image.Image, palette: Palette, chance: Chance) -> None:
    width, height = picture.size
    small = max(8, width // 4), max(8, height // 6)
    coarse, fine = (
        chance.noise(*grain).resize(small, Image.Resampling.BICUBIC) for grain in CLOUD_GRAINS
    )
    floor, gain = chance.between(118, 142), chance.between(2.2, 3.4)
    density = [min(150, max(0, int((value - floor) * gain))) for value in range(256)]
    fade = [min(255, value * 3, (255 - value) * 3) for value in range(256)]
    mask = ImageChops.multiply(
        Image.blend(coarse, fine, 0.38).point(density),
        Image.linear_gradient("L").resize(small).point(fade),
    )
    cover = mask.resize((width, height * 2 // 3), Image.Resampling.BILINEAR)
    picture.paste(mix(palette.horizon, palette.light, 0.6), (0, 0), cover)


def _add_caption(picture: Image.Image, scene: Scene, index: int, shade: Colour) -> None:
    words = scene.positive.split()
    title = " ".join(words[:CAPTION_WORDS])
    if len(words) > CAPTION_WORDS:
        title = title.rstrip(",.;:") + "…"
    text = f"{title}   seed {scene.seed}" + (f" / {index}" if index else "")
    size = max(11, min(picture.size) // 52)
    place = (size * 1.4, picture.height - size * 2.2)
    font, outline = ImageFont.load_default(size), max(1, size // 8)
    draw = ImageDraw.Draw(picture)
    draw.text(place, text, "white", font, stroke_width=outline, stroke_fill=shade)
