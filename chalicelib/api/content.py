"""What the headers say of a body: its content type (RFC 9110, section 8.3) and its coding."""

import re

from chalicelib.errors import UnsupportedContentEncoding, UnsupportedContentType

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"[ \t]*({_WORD}/{_WORD})")
_PARAMETER = re.compile(
    rf'[ \t]*;[ \t]*(?:({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*"))?[ \t]*', re.DOTALL
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)

# ASCII is the first part of UTF-8; the names without a hyphen are not registered, but in use.
_UTF_8 = ("utf-8", "utf8", "us-ascii", "ascii")

_BEGINS_AS_JSON = re.compile(rb'[ \t\r\n]*[{\["0-9tfn-]')
# The first bytes of gzip, as they are and as API Gateway hands them on: the second is not UTF-8.
_GZIP = re.compile(rb"\x1f(?:\x8b|\xef\xbf\xbd)\x08")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")

_SHOWN = 100


def check_content_type(value: str) -> None:
    """Raise UnsupportedContentType unless a Content-Type is JSON, in UTF-8 if it says so."""
    media_type, charsets = _parsed(value)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedContentType(f"{media_type[:_SHOWN]} is not JSON")
    for charset in charsets:
        if charset not in _UTF_8:
            raise UnsupportedContentType(
                f"the charset {charset[:_SHOWN]} is not UTF-8",
                suggestion="Send the body in UTF-8; Content-Type needs no charset then",
            )


def check_content_encoding(value: str, body: bytes) -> None:
    """Raise UnsupportedContentEncoding if the body is compressed.

    It is as its Content-Encoding says, or gzip without one. API Gateway decompresses what it can
    and leaves the header: a body of JSON is not compressed.
    """
    codings = {each.strip().lower() for each in value.split(",")} - {"", "identity"}
    if codings and (not _BEGINS_AS_JSON.match(body) or _CONTROL.search(body)):
        named = ", ".join(sorted(codings))[:_SHOWN]
        raise UnsupportedContentEncoding(f"the body is compressed (Content-Encoding: {named})")
    if _GZIP.match(body):
        raise UnsupportedContentEncoding("the body is compressed with gzip")


def _parsed(value: str) -> tuple[str, list[str]]:
    """Return the media type and every charset, in lower case."""
    found, charsets = _MEDIA_TYPE.match(value), []
    end = found.end() if found else 0
    while parameter := _PARAMETER.match(value, end):
        end = parameter.end()
        if (parameter[1] or "").lower() == "charset":
            charsets.append(_unquoted(parameter[2]).lower())
    if not found or value[end:].strip(" \t"):
        raise UnsupportedContentType(f"the Content-Type {value[:_SHOWN]} is malformed")
    return found[1].lower(), charsets


def _unquoted(value: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value
