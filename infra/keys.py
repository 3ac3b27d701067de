"""Create, list and revoke the API keys of a deployment.

python -m infra.keys STACK create NAME [--owner O] [--scopes read,generate] [--days N] …
python -m infra.keys STACK list
python -m infra.keys STACK revoke ID
"""

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.config import config
from chalicelib.models.keys.api_key import SCOPES, ApiKey
from chalicelib.models.keys.creation import NewKey
from chalicelib.schemas.keys import NAME, NAME_RULE
from infra.aws import connect, run
from infra.deployed import deployed

# The stack's parameters with the limits of a key for which the command sets none.
_DEFAULTS = {
    "days": "KeyDays",
    "requests_per_minute": "KeyRequestsPerMinute",
    "images_per_day": "KeyImagesPerDay",
    "megapixel_steps_per_day": "KeyMegapixelStepsPerDay",
}


def use(stack: str, cloudformation: Any) -> dict[str, int]:
    """Make this process use the table of keys of a stack; return the default limits of a key."""
    found = deployed(stack, cloudformation)
    ApiKey.Meta.table_name = found.output("KeysTableName")
    return {name: int(found.parameters[parameter]) for name, parameter in _DEFAULTS.items()}


def create(
    name: str,
    *,
    owner: str | None = None,
    scopes: tuple[str, ...] = ("read", "generate"),
    days: int | None = None,
    requests_per_minute: int = config.key_requests_per_minute,
    images_per_day: int = config.key_images_per_day,
    megapixel_steps_per_day: int = config.key_megapixel_steps_per_day,
) -> str:
    """Store a new key and return its token, which cannot be read again.

    Keys of one owner see the same jobs.
    """
    wanted = NewKey(
        name=name,
        owner=owner or name,
        scopes=scopes,
        days=days,
        requests_per_minute=requests_per_minute,
        images_per_day=images_per_day,
        megapixel_steps_per_day=megapixel_steps_per_day,
    )
    _, token = wanted.create(now=time.time())
    return token


def sharing(owner: str) -> str | None:
    """Return a message that names the keys that an owner has already; None if it has none."""
    ids = sorted(each.id for each in ApiKey.scan() if each.owner == owner)
    if not ids:
        return None
    return (
        f"The owner {owner} has or had a key: {', '.join(ids)}. Keys of one owner see the same"
        f" jobs and count as one owner in the queue. If you want that, add OWNER={owner!r};"
        " otherwise choose another NAME or OWNER."
    )


def lines() -> Iterator[str]:
    """Yield a line that describes each key, without its secret."""
    for key in sorted(ApiKey.scan(), key=lambda each: float(each.created_at)):
        limits = (
            f"{key.requests_per_minute:.0f}/min {key.images_per_day:.0f} images/day"
            f" {key.megapixel_steps_per_day:.0f} megapixel-steps/day"
        )
        yield "  ".join(
            (key.id, key.name, key.owner, ",".join(key.granted), limits, _made(key), _state(key))
        )


def _made(key: ApiKey) -> str:
    return f"made by {key.created_by or 'an operator'}"


def _state(key: ApiKey) -> str:
    return "revoked" if key.revoked_at else _end(key.expires_at)


def _end(seconds: float | None) -> str:
    if seconds is None:
        return "does not expire"
    return f"until {datetime.fromtimestamp(seconds, UTC).isoformat(timespec='minutes')}"


def _scopes(text: str) -> tuple[str, ...]:
    found = tuple(each.strip() for each in text.split(","))
    if not set(found) <= set(SCOPES):
        raise argparse.ArgumentTypeError(f"scopes are {', '.join(SCOPES)}, separated by commas")
    return found


def _named(text: str) -> str:
    if not re.match(NAME, text):
        raise argparse.ArgumentTypeError(f"a name has {NAME_RULE}")
    return text


def _id(text: str) -> str:
    """Return the id of a key, also of a whole key, whose secret is shown nowhere."""
    found = re.fullmatch(r"(?:dk_)?([a-z0-9]{12})(?:_.*)?", text)
    if not found:
        raise argparse.ArgumentTypeError("KEY is the id of a key: `make keys` lists them")
    return found[1]


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number above 0")
    return int(text)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra.keys", description="API keys of a deployment")
    parser.add_argument("stack")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("create", help="make a key and print its token, once")
    make.add_argument("name", type=_named)
    make.add_argument("--owner", type=_named)
    make.add_argument("--scopes", type=_scopes, default=("read", "generate"))
    for name, parameter in _DEFAULTS.items():
        option = f"--{name.replace('_', '-')}"
        make.add_argument(option, type=_positive, help=f"default: the stack's {parameter}")
    commands.add_parser("list", help="all keys, without their secrets")
    commands.add_parser("revoke", help="refuse a key from now on").add_argument("id", type=_id)
    return parser.parse_args(given)


def main() -> None:
    asked = vars(arguments())
    command = asked.pop("command")
    defaults = use(asked.pop("stack"), connect().client("cloudformation"))
    if command == "create":
        if asked["owner"] is None and (said := sharing(asked["name"])):
            raise SystemExit(said)
        given = {name: value for name, value in asked.items() if value is not None}
        print(create(**{**defaults, **given}))
    elif command == "list":
        print("\n".join(lines()))
    elif not ApiKey(asked["id"]).revoke(now=time.time()):
        raise SystemExit(
            f"There is no key {asked['id']}, or it is revoked already: `make keys` lists all keys"
        )


if __name__ == "__main__":
    run(main)
