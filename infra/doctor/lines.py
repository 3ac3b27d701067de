"""What was looked at, and what was found: a table for people."""

import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from infra.failures import explain

OK, PROBLEM, STOP, UNKNOWN = "ok", "problem", "stop", "unknown"


class Line(NamedTuple):
    """A thing that was looked at, its state, what was found, and what helps.

    `stop`: without it no API would work. `problem`: the API would work. `unknown`: could not look.
    """

    what: str
    state: str
    text: str
    remedy: str = ""


def look(what: str, check: Callable[[], Line]) -> Line:
    """Return a check's line; an `unknown` one if AWS does not answer its question."""
    try:
        return check()
    except (ClientError, BotoCoreError) as error:
        return Line(what, UNKNOWN, explain(error))


def table(lines: Iterable[Line]) -> Iterator[str]:
    """Yield the lines of the table, not wider than the terminal."""
    lines = list(lines)
    whats = max((len(each.what) for each in lines), default=0)
    states = max((len(each.state) for each in lines), default=0)
    left = " " * (whats + states + 4)
    width = max(shutil.get_terminal_size((100, 24)).columns, len(left) + 40)
    for each in lines:
        remedy = f". Remedy: {each.remedy}" if each.remedy else ""
        head = f"{each.what:{whats}}  {each.state:{states}}  "
        yield textwrap.fill(
            f"{each.text}{remedy}",
            width,
            initial_indent=head,
            subsequent_indent=left,
            break_on_hyphens=False,
            break_long_words=False,
        )
