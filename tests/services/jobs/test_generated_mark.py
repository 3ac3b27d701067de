"""The mark in stored PNG images: valid, complete, and the only thing that changes."""

import re
from io import BytesIO
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from chalicelib.services.jobs.generated_mark import marked

IMAGE_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0"
KEYWORD = "XML:com.adobe.xmp"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

Chunk = tuple[bytes, bytes]


def png(mode: str = "RGB", **texts: str) -> bytes:
    """Return a small PNG with texts, such as the graph that ComfyUI writes into its images."""
    image = Image.effect_noise((40, 30), 80).convert(mode)
    about = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        about.add_text(keyword, text)
    file = BytesIO()
    image.save(file, "PNG", pnginfo=about)
    return file.getvalue()


def mark(content: bytes, image_id: str = IMAGE_ID) -> bytes:
    """Return the marked content, whose size is the declared one."""
    image, size = marked(BytesIO(content), len(content), image_id)
    data = image.read()
    assert len(data) == size
    return data


def chunks(content: bytes) -> list[Chunk]:
    """Return the types and the data of a PNG's chunks, whose CRCs are right."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    found, at = [], 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        crc = content[at + 8 + length : at + 12 + length]
        assert int.from_bytes(crc, "big") == crc32(kind + data)
        found.append((kind, data))
        at += 12 + length
    return found


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_an_image_opens_with_its_mark_and_the_same_pixels(mode: str) -> None:
    content = png(mode, prompt='{"3": {}}')
    before, after = Image.open(BytesIO(content)), Image.open(BytesIO(mark(content)))
    assert (after.mode, after.size) == (before.mode, before.size)
    assert after.tobytes() == before.tobytes()
    packet = after.info.pop(KEYWORD)
    assert after.info.pop("xmp") == packet.encode()
    assert after.info == before.info
    assert f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}<" in packet
    assert f"<dc:identifier>{IMAGE_ID}<" in packet


def test_the_mark_is_one_chunk_after_the_header_and_all_others_stay_as_they_are() -> None:
    content = png(prompt="a", workflow="b" * 5000)
    header, text, *others = chunks(mark(content))
    assert [header, *others] == chunks(content)
    assert (header[0], text[0]) == (b"IHDR", b"iTXt")
    assert text[1].startswith(KEYWORD.encode() + b"\0\0\0\0\0<?xpacket begin=")


def test_the_mark_may_be_read_only_and_holds_nothing_else() -> None:
    packet = Image.open(BytesIO(mark(png(prompt="a secret prompt")))).info[KEYWORD]
    assert packet.endswith('<?xpacket end="r"?>')
    assert re.findall(r"<(?:dc|Iptc4xmpExt):(\w+)>", packet) == ["identifier", "DigitalSourceType"]
    assert "secret" not in packet


def test_an_image_that_has_xmp_already_keeps_it_after_the_mark() -> None:
    about = PngImagePlugin.PngInfo()
    about.add_itxt(KEYWORD, "<x:xmpmeta/>")
    file = BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG", pnginfo=about)
    [_, first, second, *_] = chunks(mark(file.getvalue()))
    assert SOURCE_TYPE.encode() in first[1]
    assert second[1].endswith(b"<x:xmpmeta/>")


def other(format_: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, format_)
    return file.getvalue()


NOT_PNG = {
    "JPEG": other("JPEG"),
    "WebP": other("WEBP"),
    "text": b"an error page, which is longer than the header of a PNG",
    "empty": b"",
    "signature": png()[:8],
    "header that breaks off": png()[:32],
    "another first chunk": png()[:12] + b"CgBI" + png()[16:],
}


@pytest.mark.parametrize("content", NOT_PNG.values(), ids=NOT_PNG)
def test_what_is_not_a_png_stays_as_it_is(content: bytes) -> None:
    assert mark(content) == content


class Parts(BytesIO):
    """Content that arrives in parts of these sizes, and then in any size."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        super().__init__(content)
        self._sizes = sizes

    def read(self, size: int | None = -1, /) -> bytes:
        most = self._sizes.pop() if self._sizes else 2**20
        return super().read(most if size is None or size < 0 else min(size, most))


CONTENT = png(prompt="a fox")
MARKED = mark(CONTENT)
SIZES = st.lists(st.integers(min_value=1, max_value=60), max_size=40)


@given(arriving=SIZES, asked=SIZES, content=st.sampled_from([CONTENT, *NOT_PNG.values()]))
def test_the_result_does_not_depend_on_how_the_content_is_read(
    arriving: list[int], asked: list[int], content: bytes
) -> None:
    image, size = marked(Parts(content, arriving), len(content), IMAGE_ID)
    read = [image.read(each) for each in asked]
    assert all(len(part) <= most for part, most in zip(read, asked, strict=True))
    while part := image.read(64 * 1024):
        read.append(part)
    assert b"".join(read) == (MARKED if content == CONTENT else content)
    assert size == len(b"".join(read))


def test_only_the_header_is_read_before_it_is_asked_for() -> None:
    source = BytesIO(CONTENT)
    marked(source, len(CONTENT), IMAGE_ID)
    assert source.tell() == 33
