"""`make key`: keys as an operator makes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.models.keys.api_key import ApiKey, parts
from infra.keys import arguments, create, lines, sharing

ROOT = Path(__file__).parents[2]


def test_a_key_without_options_may_read_and_generate_for_an_owner_of_its_name(aws: None) -> None:
    key = ApiKey.get(parts(create("shop"))[0])
    assert (key.owner, list(key.scopes), key.expires_at) == ("shop", ["read", "generate"], None)
    assert (key.requests_per_minute, key.images_per_day) == (3000, 1000)
    assert key.megapixel_steps_per_day == 72_000


@pytest.mark.parametrize("given", ["", "x", "dk_", "dk_k3x9m2q7w1a_secret", "K3X9M2Q7W1AB"])
def test_what_is_no_id_is_refused_and_not_repeated(
    capsys: pytest.CaptureFixture[str], given: str
) -> None:
    with pytest.raises(SystemExit):
        arguments(["darkroom", "revoke", given])
    told = capsys.readouterr().err
    assert "KEY is the id of a key" in told
    assert "secret" not in told


def test_a_whole_key_may_be_revoked_by_its_id() -> None:
    for given in ("k3x9m2q7w1ab", "dk_k3x9m2q7w1ab_secret"):
        assert arguments(["darkroom", "revoke", given]).id == "k3x9m2q7w1ab"


def test_no_two_keys_are_alike(aws: None) -> None:
    assert len({create("shop") for _ in range(20)}) == 20


def test_a_second_key_for_an_owner_is_reported_with_the_first_key(aws: None) -> None:
    first, _ = parts(create("shop"))
    create("other", owner="team")
    assert first in str(sharing("shop"))
    assert "OWNER='shop'" in str(sharing("shop"))
    assert "OWNER='team'" in str(sharing("team"))
    assert sharing("other") is None


def test_the_list_shows_all_of_a_key_but_its_secret(aws: None) -> None:
    token = create("shop", owner="team", days=1, requests_per_minute=5, images_per_day=9)
    [line] = lines()
    for said in (
        parts(token)[0],
        "shop",
        "team",
        "read,generate",
        "5/min",
        "9 images/day",
        "made by an operator",
        "until",
    ):
        assert said in line
    assert token.split("_", 2)[2] not in line


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["create", ""], "a name has up to 64"),
        (["create", "a\nb"], "a name has up to 64"),
        (["create", "a", "--scopes", "read,write"], "scopes are read, generate, admin"),
        (["create", "a", "--days", "0"], "must be a whole number above 0"),
        (["create", "a", "--images-per-day", "-1"], "must be a whole number above 0"),
        ([], "the following arguments are required"),
    ],
)
def test_a_wrong_command_is_explained(command: list[str], complaint: str) -> None:
    run = [sys.executable, "-m", "infra.keys", "darkroom", *command]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert complaint in done.stderr
