"""A mark in PNG images, readable by programs, that says that they were generated.

It is an XMP packet with IPTC's DigitalSourceType, in one chunk after the header: decision 49.
"""

from typing import Protocol
from zlib import crc32

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_START = _SIGNATURE + (13).to_bytes(4, "big") + b"IHDR"
_HEADER_BYTES = len(_HEADER_START) + 13 + 4  # fields and CRC

# The keyword of XMP; neither compressed, nor in a language, nor translated.
_KEYWORD = b"XML:com.adobe.xmp\0\0\0\0\0"

# XMP in PNG must be read-only, as an editor of text would not adjust the CRC.
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <dc:identifier>{image_id}</dc:identifier>
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


def marked(content: Readable, size: int, image_id: str) -> tuple[Readable, int]:
    """Return the content of an image with the mark, and its size.

    What is not a PNG stays as it is. The first bytes are read at once, all others on demand.
    """
    begin = _begin(content)
    if len(begin) == _HEADER_BYTES and begin.startswith(_HEADER_START):
        mark = _chunk(image_id)
        return _Joined(begin + mark, content), size + len(mark)
    return _Joined(begin, content), size


class _Joined:
    """Bytes, and then a stream."""

    def __init__(self, begin: bytes, rest: Readable) -> None:
        self._begin = begin
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            data, self._begin = self._begin, b""
            return data + self._rest.read()
        if not self._begin:
            return self._rest.read(size)
        data, self._begin = self._begin[:size], self._begin[size:]
        return data


def _begin(content: Readable) -> bytes:
    """Return the first bytes, as many as a PNG's header has, or all if there are fewer."""
    found = b""
    while len(found) < _HEADER_BYTES and (part := content.read(_HEADER_BYTES - len(found))):
        found += part
    return found


def _chunk(image_id: str) -> bytes:
    packet = _PACKET.format(image_id=image_id, source_type=_SOURCE_TYPE)
    data = _KEYWORD + packet.encode()
    content = b"iTXt" + data
    return len(data).to_bytes(4, "big") + content + crc32(content).to_bytes(4, "big")
