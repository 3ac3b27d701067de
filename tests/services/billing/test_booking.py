"""Booking: each second of an instance is booked once, as booting, busy or idle."""

from datetime import UTC, date, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.usage import DayUsage
from chalicelib.services.billing.booking import account
from tests.services.fakes import Clock

pytestmark = pytest.mark.usefixtures("aws")

START = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
TODAY, TOMORROW = date(2026, 11, 23), date(2026, 11, 24)
GAP_SECONDS = 200

_numbers = count(1)


class Books:
    """One instance, whose time is booked as the reconciler does it."""

    def __init__(self, instance_id: str = "i-1", instance_type: str = "g5.xlarge") -> None:
        self.clock = Clock(START)
        self.instance: Any = SimpleNamespace(id=instance_id, type=instance_type, launched_at=None)

    def book(self, record: InstanceRecord, *, is_ready: bool = True) -> None:
        account(self.instance, record, until=self.clock(), is_ready=is_ready)

    @property
    def record(self) -> InstanceRecord:
        return InstanceRecord.read(self.instance.id)

    def after(self, seconds: float, *, ran: float | None = None, is_ready: bool = True) -> None:
        self.clock.advance(seconds)
        if ran is not None:
            self.record.acquire_slot("job", now=0)
            self.record.release_slot("job", spent_seconds=ran)
        self.book(self.record, is_ready=is_ready)


@pytest.fixture
def books() -> Books:
    made = Books()
    made.after(0, is_ready=False)
    return made


def booked(day: date = TODAY) -> dict[str, float]:
    found = DayUsage.of([day]).get(day, DayUsage(""))
    kinds = ("booting", "busy", "idle")
    return {kind: float(getattr(found, f"{kind}_seconds")) for kind in kinds}


def usage(day: date = TODAY) -> DayUsage:
    return DayUsage.of([day])[day]


def test_only_a_start_is_booked_when_an_instance_is_first_seen(books: Books) -> None:
    assert booked() == {"booting": 0, "busy": 0, "idle": 0}
    assert usage().starts == 1


def test_time_is_booked_as_booting_until_ready_and_then_as_busy_or_idle(books: Books) -> None:
    books.after(60, is_ready=False)
    books.after(60, ran=25)
    assert booked() == {"booting": 60, "busy": 25, "idle": 35}


def test_an_execution_longer_than_a_minute_is_booked_over_the_next_minutes(books: Books) -> None:
    for ran in (None, 150, None, None):
        books.after(60, ran=ran)
    assert booked() == {"booting": 0, "busy": 150, "idle": 90}


def test_booked_seconds_have_the_price_of_the_instance_type(books: Books) -> None:
    books.after(100, is_ready=False)
    books.after(100, ran=30)
    found = usage()
    costs = [found.booting_cost, found.busy_cost, found.idle_cost]
    assert costs == pytest.approx([100 * 1.006 / 3600, 30 * 1.006 / 3600, 70 * 1.006 / 3600])


def test_seconds_of_an_unknown_type_have_the_highest_price() -> None:
    books = Books(instance_type="x9.huge")
    books.after(0)
    books.after(60, ran=10)
    costs = [usage().busy_cost, usage().idle_cost]
    assert costs == pytest.approx([10 * 3.06 / 3600, 50 * 3.06 / 3600])


def test_an_hour_in_which_nothing_was_booked_is_skipped_and_counts_as_a_start(books: Books) -> None:
    books.after(60)
    books.after(3600, ran=20)
    books.after(60)
    assert booked() == {"booting": 0, "busy": 0, "idle": 120}
    assert usage().starts == 2


def test_a_second_reconciler_books_nothing_twice(books: Books) -> None:
    books.clock.advance(60)
    stale = [books.record, books.record]
    for record in stale:
        books.book(record, is_ready=True)
    books.after(0)
    assert booked() == {"booting": 0, "busy": 0, "idle": 60}


def test_a_second_reconciler_counts_no_second_start() -> None:
    books = Books()
    for record in [books.record, books.record]:
        books.book(record, is_ready=False)
    assert usage().starts == 1


def test_time_across_midnight_is_booked_on_both_days() -> None:
    books = Books()
    books.after(12 * 3600 - 90)
    books.after(60)
    books.after(60)
    assert (booked()["idle"], booked(TOMORROW)["idle"]) == (90, 30)
    assert (usage().starts, usage(TOMORROW).starts) == (1, 0)


def test_a_gap_is_booked_if_ec2_did_not_start_the_instance_in_it(books: Books) -> None:
    books.instance.launched_at = START - 30
    books.after(60)
    books.after(12 * 3600)
    assert (booked()["idle"], booked(TOMORROW)["idle"]) == (12 * 3600, 60)
    assert usage().starts == 1


def test_a_start_in_a_gap_is_booked_from_when_it_was_noted(books: Books) -> None:
    books.after(60)
    books.clock.advance(3600)
    books.record.note("ready", now=books.clock(), is_on=True, launched_at=books.clock() - 90)
    books.after(60)
    assert booked()["idle"] == 60 + 60
    assert usage().starts == 2


rounds = st.lists(
    st.tuples(
        st.integers(0, 250_000).map(lambda milliseconds: milliseconds / 1000),
        st.none() | st.floats(0, 300),
        st.booleans(),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=40)
@given(rounds=rounds)
def test_the_booked_time_is_the_time_that_the_instance_was_on(
    rounds: list[tuple[float, float | None, bool, bool]],
) -> None:
    before = booked()
    books = Books(f"i-{next(_numbers)}")
    books.after(0)
    for seconds, ran, is_ready, is_repeated in rounds:
        stale = books.record
        books.after(seconds, ran=ran, is_ready=is_ready)
        if is_repeated:
            books.book(stale, is_ready=is_ready)
    added = {kind: after - before[kind] for kind, after in booked().items()}
    on_seconds = sum(seconds for seconds, *_ in rounds if seconds <= GAP_SECONDS)
    assert sum(added.values()) == pytest.approx(on_seconds, abs=0.01)
    assert all(seconds >= -1e-6 for seconds in added.values())
    assert added["busy"] <= sum(ran for _, ran, *_ in rounds if ran) + 0.01
