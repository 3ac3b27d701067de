"""What may happen next."""

from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from tests.faults.scheduler import Fate
from tests.faults.world import TROUBLES

T = TypeVar("T")


class Request(NamedTuple):
    """Somebody wants images; those of a key are always the same ones."""

    caller: str
    key: str | None
    wait: int


class Message(NamedTuple):
    """A worker gets one of the messages that are visible."""

    which: int


class Minute(NamedTuple):
    """The reconciler is called."""


class Cancel(NamedTuple):
    """Somebody cancels a job."""

    which: int


class Turn(NamedTuple):
    """One of those who are at work goes on."""

    which: int


class Run(NamedTuple):
    """A process comes so far, and its next call goes thus; `skew` is of its clock."""

    who: Request | Message | Minute | Cancel | Turn
    skew: int
    calls: int
    then: Fate


class Time(NamedTuple):
    """Time passes in which no function runs."""

    seconds: int


class Loss(NamedTuple):
    """A message is lost."""

    which: int


class Double(NamedTuple):
    """A message comes once more."""

    which: int


class Trouble(NamedTuple):
    """Something happens to a ComfyUI that is up, or to its instance."""

    host: int
    what: str


Event = Run | Time | Loss | Double | Trouble


@st.composite
def _one_of(draw: st.DrawFn, choices: list[st.SearchStrategy[T]]) -> T:
    """Draw from one of the choices; those that are listed twice come twice as often."""
    return draw(draw(st.sampled_from(choices)))


_which = st.integers(0, 4)
_requests = st.builds(
    Request,
    st.sampled_from("abc"),
    st.sampled_from([None, None, None, "key1", "key2"]),
    st.sampled_from([0, 25]),
)
_messages, _turns = st.builds(Message, _which), st.builds(Turn, _which)
_minutes, _cancels = st.builds(Minute), st.builds(Cancel, _which)
_who = _one_of([*[_turns] * 5, *[_messages] * 4, _requests, _requests, _minutes, _cancels])
_fates = st.sampled_from([Fate.DONE, Fate.CRASHED, *Fate])
_calls = _one_of([st.integers(0, 8), st.integers(0, 40)])
_runs = st.builds(Run, _who, st.sampled_from([0, 0, -2, 2]), _calls, _fates)
_time = st.builds(Time, st.sampled_from([1, 1, 2, 5, 10, 10, 30, 60, 60, 400]))
_trouble = st.builds(Trouble, st.integers(0, 1), st.sampled_from(TROUBLES))
_mail = _one_of([st.builds(Loss, _which), st.builds(Double, _which)])

events = _one_of([*[_runs] * 7, _time, _time, _trouble, _mail])
