"""Three functions that start instances at once start what was planned, in every order of calls."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import StartUnknown
from tests.faults.aws import Ec2
from tests.faults.dynamodb import Wire
from tests.faults.scheduler import Outcome, Process
from tests.faults.world import World, services_of

pytestmark = pytest.mark.usefixtures("aws", "repeatable")

_EC2_SECONDS = 7  # until the client gives up, which does not repeat calls
_LONGEST_SECONDS = 900  # of a function

# Each function makes some calls; how the last of them ends, and the seconds before it.
FAULTS = [Outcome.CRASHED, Outcome.FAILED, Outcome.UNANSWERED, Outcome.REPEATED]
turns = st.tuples(
    st.integers(0, 2),
    st.integers(0, 6),
    st.sampled_from([Outcome.DONE, *FAULTS]),
    st.sampled_from([0, 0, 1, 6, 16, 31]),
)


class SlowEc2(Ec2):
    """EC2 that may not answer a start, whether it starts the instance or not."""

    def start(self, instance_id: str, *, instance_type: str | None = None) -> bool:
        return self._scheduler.call(
            f"ec2 start {instance_id}",
            lambda: self._start(self._host(instance_id)),
            lambda: StartUnknown("EC2 did not answer"),
            patience=_EC2_SECONDS,
        )


class Race:
    """Functions that start the instances of a world with three hosts, of which one should be on."""

    def __init__(self) -> None:
        self.world = World(hosts=3)
        self.scheduler = self.world.scheduler
        self.world.ec2 = SlowEc2(self.scheduler, self.world.hosts)
        self.functions = [self._function(f"function {number}") for number in range(3)]

    def _function(self, name: str) -> Process:
        fleet = services_of(self.world).fleet
        killed_at = self.scheduler.now + _LONGEST_SECONDS
        process = Process(
            self.scheduler, name, lambda: fleet.scale(least_jobs=1), killed_at=killed_at
        )
        return self.scheduler.spawn(process)

    def resume(self, process: Process, outcome: Outcome) -> None:
        if process.is_live:
            self.scheduler.resume(process, outcome)
        on = [host.id for host in self.world.hosts if host.state in ("pending", "running")]
        assert len(on) <= 1, "\n".join(self.scheduler.journal)

    def play(self, number: int, calls: int, outcome: Outcome, seconds: int) -> None:
        """Let a function make some calls, and one more that ends so after some seconds."""
        for _ in range(calls):
            self.resume(self.functions[number], Outcome.DONE)
        self.scheduler.advance_to(self.scheduler.now + seconds)
        self.resume(self.functions[number], outcome)

    def end(self) -> None:
        for process in self.functions:
            while process.is_live:
                self.resume(process, Outcome.DONE)


@settings(max_examples=150)
@given(played=st.lists(turns, max_size=14))
def test_three_functions_never_start_more_than_the_one_instance_that_is_planned(
    played: list[tuple[int, int, Outcome, int]],
) -> None:
    race = Race()
    with Wire(race.scheduler):
        for turn in played:
            race.play(*turn)
        race.end()
    if all(outcome is Outcome.DONE for _, _, outcome, _ in played):
        assert [len(host.starts) for host in race.world.hosts] == [1, 0, 0]


@pytest.mark.parametrize("outcome", FAULTS)
@pytest.mark.parametrize("call", range(24))
def test_a_fault_at_any_call_of_the_first_function_leads_to_no_second_start(
    call: int, outcome: Outcome
) -> None:
    race = Race()
    with Wire(race.scheduler):
        race.play(0, call, outcome, 0)
        for number in (1, 2):  # they come when the first one's claim may be over
            race.play(number, 100, Outcome.DONE, 31)
        race.end()
    assert sum(len(host.starts) for host in race.world.hosts) >= 1
