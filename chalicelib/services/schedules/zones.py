"""Timezones by their IANA names."""

from __future__ import annotations

import re
from datetime import tzinfo
from difflib import get_close_matches
from functools import cache, lru_cache

from chalicelib.errors import InvalidRequest

MOST_CHARACTERS = 50

_NAME = re.compile(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_NO_ZONES = {"Factory"}  # in the data, and no place
_MISLEADING = re.compile(r"Etc/.*|GMT.+|Factory")  # Etc/GMT+2 is two hours behind UTC
_ABBREVIATIONS = {
    "bst": "Europe/London",
    "cdt": "America/Chicago",
    "cest": "Europe/Berlin",
    "cst": "America/Chicago",
    "edt": "America/New_York",
    "ist": "Asia/Kolkata",
    "jst": "Asia/Tokyo",
    "mdt": "America/Denver",
    "pdt": "America/Los_Angeles",
    "pst": "America/Los_Angeles",
}


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """Return the timezone of an IANA name; raise InvalidRequest, with similar names, for others."""
    if len(name) > MOST_CHARACTERS:
        raise InvalidRequest(
            f"the timezone has {len(name)} characters, and names have at most {MOST_CHARACTERS}",
            field="timezone",
            suggestion="Write an IANA name, such as Europe/Berlin",
        )
    try:
        if _NAME.fullmatch(name) and name not in _NO_ZONES:
            # Imported here, as it is a hundredth of a cold start, which only schedules need.
            from zoneinfo import ZoneInfo

            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    raise InvalidRequest(
        f"{name!r} is not the IANA name of a timezone", field="timezone", suggestion=_similar(name)
    )


def _similar(name: str) -> str:
    word = name.lower().replace(" ", "_")
    names = _names()
    by_place = {each.rpartition("/")[2]: each for each in names}
    near = [names[each] for each in get_close_matches(word, names, n=3, cutoff=0.7)]
    near += [names[by_place[each]] for each in get_close_matches(word, by_place, 1, cutoff=0.8)]
    near = [_ABBREVIATIONS[word]] if word in _ABBREVIATIONS else near or ["Europe/Berlin", "UTC"]
    return f"Write an IANA name, such as {' or '.join(dict.fromkeys(near))}"


@cache
def _names() -> dict[str, str]:
    from zoneinfo import available_timezones

    return {each.lower(): each for each in available_timezones() if not _is_misleading(each)}


def _is_misleading(name: str) -> bool:
    return not _NAME.fullmatch(name) or bool(_MISLEADING.fullmatch(name))
