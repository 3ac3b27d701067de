"""The events that hypothesis draws."""

from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from tests.faults.scheduler import Outcome
from tests.faults.world import TROUBLES

T = TypeVar("T")


class Request(NamedTuple):
    """A caller requests images; requests with the same key are the same."""

    caller: str
    key: str | None
    wait: int


class Message(NamedTuple):
    """A worker gets one of the messages that are visible."""

    which: int


class Minute(NamedTuple):
    """The reconciler is called."""


class Cancel(NamedTuple):
    """A caller cancels a job."""

    which: int


class Stop(NamedTuple):
    """An administrator stops all instances, at once or when their jobs have ended."""

    at_once: bool
    for_seconds: int


class Start(NamedTuple):
    """An administrator starts an instance."""


class Resume(NamedTuple):
    """One of the live processes goes on."""

    which: int


class Run(NamedTuple):
    """A process makes `calls` calls, and the next one ends as `then`; `skew` is of its clock."""

    invocation: Request | Message | Minute | Cancel | Stop | Start | Resume
    skew: int
    calls: int
    then: Outcome


class Time(NamedTuple):
    """Time passes in which no function runs."""

    seconds: int


class Loss(NamedTuple):
    """A message is lost."""

    which: int


class Double(NamedTuple):
    """A message is delivered once more."""

    which: int


class Trouble(NamedTuple):
    """A trouble in a ComfyUI that is up, or in its instance."""

    host: int
    what: str


Event = Run | Time | Loss | Double | Trouble


@st.composite
def one_of(draw: st.DrawFn, choices: list[st.SearchStrategy[T]]) -> T:
    """Draw from one of the choices; a choice that is listed twice is drawn twice as often."""
    return draw(draw(st.sampled_from(choices)))


_which = st.integers(0, 4)
_requests = st.builds(
    Request,
    st.sampled_from("abc"),
    st.sampled_from([None, None, None, "key1", "key2"]),
    st.sampled_from([0, 25]),
)
_messages, _resumes = st.builds(Message, _which), st.builds(Resume, _which)
_minutes, _cancels = st.builds(Minute), st.builds(Cancel, _which)
_stops = st.builds(Stop, st.booleans(), st.sampled_from([0, 60, 600]))
_often = [*[_resumes] * 5, *[_messages] * 4, _requests, _requests]
_invocations = one_of([*_often, _minutes, _cancels, _stops, st.builds(Start)])
_outcomes = st.sampled_from([Outcome.DONE, Outcome.CRASHED, *Outcome])
_calls = one_of([st.integers(0, 8), st.integers(0, 40)])
_runs = st.builds(Run, _invocations, st.sampled_from([0, 0, -2, 2]), _calls, _outcomes)
_time = st.builds(Time, st.sampled_from([1, 1, 2, 5, 10, 10, 30, 60, 60, 400]))
_trouble = st.builds(Trouble, st.integers(0, 1), st.sampled_from(TROUBLES))
_mail = one_of([st.builds(Loss, _which), st.builds(Double, _which)])

events = one_of([*[_runs] * 7, _time, _time, _trouble, _mail])
