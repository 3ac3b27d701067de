"""Only IANA names are timezones; the refusal of another text suggests similar names."""

import pytest

from chalicelib.errors import InvalidRequest
from chalicelib.services.schedules.zones import zone_of


@pytest.mark.parametrize(
    "name",
    [
        "UTC",
        "Europe/Berlin",
        "America/Argentina/Buenos_Aires",
        "Etc/GMT+2",
        "America/Port-au-Prince",
    ],
)
def test_an_iana_name_is_a_zone(name: str) -> None:
    assert zone_of(name).key == name


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("", "Europe/Berlin"),
        ("../x", "Europe/Berlin"),
        ("/etc/localtime", "Europe/Berlin"),
        ("Europe", "Europe/"),
        ("localtime", "Europe/Berlin"),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("right/Europe/Berlin", "Europe/Berlin"),
        ("posixrules", "Europe/Berlin"),
        ("Factory", "Europe/Berlin"),
        ("zone.tab", "Europe/Berlin"),
        ("PST", "America/Los_Angeles"),
        ("GMT+2", "GMT"),
        ("utc", "UTC"),
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berlin ", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("Europe/Brelin", "Europe/Berlin"),
        ("Europe/Berlin\0", "Europe/Berlin"),
        ("\ud800", "Europe/Berlin"),
        ("E" * 51, "Europe/Berlin"),
    ],
)
def test_another_text_is_refused_with_similar_names(name: str, suggested: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        zone_of(name)
    assert caught.value.field == "timezone"
    assert suggested in caught.value.suggestion
    assert "Etc/" not in caught.value.suggestion
