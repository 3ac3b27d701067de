"""The fields of a JSON object, and what is wrong with a text that is none."""

import re

import msgspec

from chalicelib.errors import InvalidRequest

WHITE_SPACE = b" \t\r\n"

Fields = dict[str, msgspec.Raw]

_DECODER = msgspec.json.Decoder(Fields)

_REPLACEMENT = "\ufffd"
# A whole pair, half of one (found[1]), or another escape. Each is read once.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")


def fields_of(text: bytes) -> Fields:
    """Return the fields of a JSON object, which are valid JSON themselves but not decoded yet.

    Raise InvalidRequest, which says why the text is not a JSON object in UTF-8.
    """
    if not _is_utf8(text):
        raise InvalidRequest(
            "the body is not UTF-8, or has a replacement character (U+FFFD) in it",
            suggestion="Send JSON in UTF-8; if the text needs U+FFFD, write it as \\ufffd",
        )
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            "the body must be a JSON object", suggestion="Send one JSON object"
        ) from error
    except RecursionError as error:
        raise InvalidRequest("the body has too many levels of JSON") from error
    except msgspec.DecodeError as error:
        raise _malformed(text, str(error)) from error


def _is_utf8(text: bytes) -> bool:
    try:
        # API Gateway replaces what is not UTF-8 before it invokes the function.
        return _REPLACEMENT not in text.decode()
    except UnicodeDecodeError:
        return False


def _malformed(text: bytes, problem: str) -> InvalidRequest:
    if half := _half_of_a_pair(text):
        return InvalidRequest(
            f"the body has \\{half} in it, which is half of a surrogate pair and no character",
            suggestion="Send the whole character, in UTF-8 or as a pair of escapes",
        )
    if found := _TRAILING.search(problem):
        place = int(found[1]) - 1  # msgspec counts these bytes from 1, all others from 0
        return InvalidRequest(
            f"the body goes on after its JSON object, from byte {place} on",
            suggestion="Send one JSON object and nothing after it",
        )
    if problem == "Input data was truncated":
        return InvalidRequest(
            "the body ends before its JSON object does",
            suggestion="Send the whole JSON object; Content-Length counts bytes, not characters",
        )
    detail = problem.removeprefix("JSON is malformed: ")
    return InvalidRequest(
        f"the body is not valid JSON: {detail}", suggestion="Send one JSON object in UTF-8"
    )


def _half_of_a_pair(text: bytes) -> str | None:
    halves = (found[1] for found in _ESCAPE.finditer(text))
    return next((half.decode() for half in halves if half), None)
