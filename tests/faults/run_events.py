"""The events that hypothesis draws for schedules."""

from typing import NamedTuple

from hypothesis import strategies as st

from tests.faults.events import Message, Minute, Resume, Time, one_of
from tests.faults.run_world import Plan
from tests.faults.scheduler import Outcome


class Create(NamedTuple):
    """A caller creates a schedule; requests with the same key are the same."""

    plan: Plan
    key: str | None


class Replace(NamedTuple):
    """A caller writes a schedule again."""

    which: int
    plan: Plan


class Act(NamedTuple):
    """A caller pauses, resumes or deletes a schedule."""

    which: int
    verb: str


class RunNow(NamedTuple):
    """A caller asks for a run; requests with the same key are the same."""

    which: int
    key: str | None


class MakeUp(NamedTuple):
    """A caller makes up a run that was missed."""

    which: int


class Handle(NamedTuple):
    """The runs function gets one of the messages that are visible."""

    which: int


Invocation = Create | Replace | Act | RunNow | MakeUp | Handle | Message | Minute | Resume


class Call(NamedTuple):
    """A process makes `calls` calls, and the next one ends as `then`; `skew` is of its clock."""

    invocation: Invocation
    skew: int
    calls: int
    then: Outcome


class Race(NamedTuple):
    """A process makes `calls` calls, then another one makes all of its own, and then the first."""

    first: Invocation
    second: Invocation
    calls: int


class Fate(NamedTuple):
    """Something happens to a message that no function has seen."""

    which: int
    what: str


RunEvent = Call | Race | Time | Fate

_EXPRESSIONS = [
    *["rate(1 minute)"] * 3,
    *["rate(5 minutes)"] * 2,
    *["at 2", "at 4"],
    "cron(0/2 * * * ? *)",
]
plans = st.builds(
    Plan,
    st.sampled_from(_EXPRESSIONS),
    window=st.sampled_from([1, 2, 5]),
    count=st.sampled_from([1, 1, 2]),
    end=st.sampled_from([None, None, None, 3]),
    overlap=st.sampled_from(["allow", "allow", "skip"]),
    most_failures=st.sampled_from([None, None, 1]),
).map(lambda plan: plan.without_end())

_which = st.integers(0, 3)
_keys = st.sampled_from([None, None, "once"])
_creates = st.builds(Create, plans, _keys)
_replaces = st.builds(Replace, _which, plans)
_acts = st.builds(Act, _which, st.sampled_from(["pause", "pause", "resume", "resume", "delete"]))
_run_nows = st.builds(RunNow, _which, _keys)
_make_ups, _handles = st.builds(MakeUp, _which), st.builds(Handle, _which)
_messages, _resumes = st.builds(Message, _which), st.builds(Resume, _which)
_minutes = st.builds(Minute)
_invocations = one_of(
    [
        *[_resumes] * 6,
        *[_handles] * 5,
        *[_minutes] * 2,
        *[_replaces, _acts] * 2,
        *[_run_nows, _make_ups, _messages, _creates],
    ]
)
_outcomes = st.sampled_from([Outcome.DONE, Outcome.CRASHED, *Outcome])
_calls = one_of([st.integers(0, 8), st.integers(0, 30)])
_processes = st.builds(Call, _invocations, st.sampled_from([0, 0, -2, 2]), _calls, _outcomes)
_rivals = one_of([_handles, _handles, _replaces, _acts, _run_nows, _make_ups, _minutes])
_races = st.builds(Race, _rivals, _rivals, st.integers(1, 14))
_time = st.builds(Time, st.sampled_from([1, 5, 20, 60, 60, 60, 120, 300]))
_whats = st.sampled_from(["lost", "undelivered", "twice", "late 60", "late 200", "late 400"])
_fate = st.builds(Fate, _which, _whats)

run_events = one_of([*[_processes] * 6, _races, *[_time] * 3, _fate])
