"""The lease of an instance's follower: one at a time has it, and only that one keeps it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.models.fleet import followers
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.signals import LeaseLost
from tests.models.failing_dynamodb import lost_answer

pytestmark = pytest.mark.usefixtures("aws")

LEASE_SECONDS = 28.0


def record() -> InstanceRecord:
    return InstanceRecord.read("i-1")


def claim(lease: str, now: float) -> bool:
    return followers.claim(record(), lease, now=now, until=now + LEASE_SECONDS)


def test_an_instance_has_one_follower_at_a_time() -> None:
    assert not record().is_followed(100)
    assert claim("a", 100)
    assert not claim("b", 127.9)
    assert (record().follower, record().is_followed(127.9)) == ("a", True)


def test_an_instance_whose_follower_died_gets_another_one_when_the_lease_has_ended() -> None:
    assert claim("a", 100)
    assert not record().is_followed(128)
    assert claim("b", 128)
    with pytest.raises(LeaseLost):
        followers.renew(record(), "a", until=200)
    assert (record().follower, record().follower_until) == ("b", 156)


def test_a_follower_that_renews_its_lease_keeps_the_instance() -> None:
    claim("a", 100)
    followers.renew(record(), "a", until=143)
    assert not claim("b", 142)
    assert claim("b", 143)


def test_a_follower_whose_lease_ended_may_renew_it_while_no_other_has_one() -> None:
    claim("a", 100)
    followers.renew(record(), "a", until=300)
    assert not claim("b", 299)


def test_an_instance_whose_follower_leaves_can_be_taken_at_once() -> None:
    claim("a", 100)
    followers.mark_leaving(record(), "a")
    assert not record().is_followed(101)
    assert claim("b", 101)
    assert (record().follower, record().is_followed(101)) == ("b", True)
    with pytest.raises(LeaseLost):
        followers.renew(record(), "a", until=140)
    with pytest.raises(LeaseLost):
        followers.mark_leaving(record(), "a")
    assert not followers.release(record(), "a")
    assert record().is_followed(101)


def test_a_follower_that_stays_after_all_takes_its_mark_back() -> None:
    claim("a", 100)
    followers.mark_leaving(record(), "a")
    followers.renew(record(), "a", until=140)
    assert record().is_followed(139)
    assert not claim("b", 139)


def test_an_instance_that_was_released_has_no_trace_of_its_follower() -> None:
    claim("a", 100)
    followers.mark_leaving(record(), "a")
    assert followers.release(record(), "a")
    found = record()
    assert (found.follower, found.follower_until, found.follower_leaves) == (None, None, None)
    assert claim("b", 100)


def test_a_follower_is_called_once_for_all_jobs_that_come_at_once() -> None:
    assert [followers.call(record(), now=now) for now in (100, 100.5, 109.9)] == [
        True,
        False,
        False,
    ]
    assert followers.call(record(), now=110), "the message may be lost"


def test_a_follower_may_be_called_again_as_soon_as_one_has_come() -> None:
    assert followers.call(record(), now=100)
    assert claim("a", 101)
    followers.release(record(), "a")
    assert followers.call(record(), now=102)


def test_a_lease_changes_nothing_else_in_the_record() -> None:
    record().became_ready(now=50)
    record().acquire_slot("job", now=60)
    claim("a", 100)
    followers.release(record(), "a")
    assert (record().ready_at, record().slot_holders) == (50, {"job"})


def test_a_claim_that_is_applied_twice_succeeds() -> None:
    with lost_answer("UpdateItem"):
        assert claim("a", 100)
    assert record().follower == "a"


def test_a_renewal_that_is_applied_twice_succeeds() -> None:
    claim("a", 100)
    with lost_answer("UpdateItem"):
        followers.renew(record(), "a", until=140)
    assert record().follower_until == 140


def test_a_mark_that_is_applied_twice_stays_one() -> None:
    claim("a", 100)
    with lost_answer("UpdateItem"):
        followers.mark_leaving(record(), "a")
    assert claim("b", 101)


def test_a_mark_that_is_repeated_after_another_follower_came_does_not_make_it_leave() -> None:
    claim("a", 100)
    with (
        lost_answer("UpdateItem", meanwhile=lambda: claim("b", 101)),
        pytest.raises(LeaseLost),
    ):
        followers.mark_leaving(record(), "a")
    assert (record().follower, record().is_followed(102)) == ("b", True)


def test_a_release_that_is_applied_twice_succeeds() -> None:
    """So that the follower still hands over to the next one."""
    claim("a", 100)
    with lost_answer("UpdateItem"):
        assert followers.release(record(), "a")
    assert record().follower is None


def test_a_release_that_is_applied_twice_does_not_take_the_lease_of_the_next_follower() -> None:
    claim("a", 100)
    with lost_answer("UpdateItem", meanwhile=lambda: claim("b", 101)):
        assert not followers.release(record(), "a")
    assert (record().follower, record().is_followed(102)) == ("b", True)


ACTIONS = ("claim", "renew", "leave", "release")
steps = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from(ACTIONS), st.sampled_from([0.0, 1.0, LEASE_SECONDS])
    ),
    max_size=12,
)


def act(lease: str, action: str, now: float) -> bool:
    """Do one action as a follower; return whether it was allowed."""
    if action == "claim":
        return claim(lease, now)
    if action == "release":
        return followers.release(record(), lease)
    try:
        if action == "renew":
            followers.renew(record(), lease, until=now + LEASE_SECONDS)
        else:
            followers.mark_leaving(record(), lease)
    except LeaseLost:
        return False
    return True


@settings(max_examples=40)
@given(steps=steps)
def test_in_any_order_only_the_follower_that_has_the_lease_changes_it(
    steps: list[tuple[str, str, float]],
) -> None:
    followers.release(record(), str(record().follower))
    now = 1000.0
    for lease, action, seconds in steps:
        now += seconds
        before = record()
        is_allowed = act(lease, action, now)
        if action == "claim":
            assert is_allowed is (before.follower == lease or not before.is_followed(now))
        else:
            is_released = action == "release" and before.follower is None
            assert is_allowed is (before.follower == lease or is_released)
        if not is_allowed:
            assert record().serialize() == before.serialize()
