"""Waiting for jobs that others drive: few reads, and seen soon when they end."""

from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import CANCELED, QUEUED
from chalicelib.services.jobs.awaiting import Awaiting

NOW = 1_800_000_000.0
ERROR = {"code": "canceled", "message": "the job was canceled"}
PARAMETERS = {"prompt": "a pier", "seed": 1}
ID = "01M8NW7PC4HG77KYDMKK7994BT"


class Clock:
    """Time that passes when it is paused; some things happen at some times."""

    def __init__(self) -> None:
        self.now = NOW
        self.pauses: list[float] = []
        self.events: list[tuple[float, Job]] = []

    def read(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)
        for at, job in [each for each in self.events if each[0] <= self.now]:
            self.events.remove((at, job))
            Job(job.id).cancel(ERROR, now=at)


def stored(job_id: str = ID) -> Job:
    job = Job.new(job_id, now=NOW, parameters=PARAMETERS, due_at=NOW)
    job.create()
    return job


def test_25_seconds_take_few_reads_whose_pauses_grow(aws: None) -> None:
    clock, job = Clock(), stored()
    [found] = Awaiting(clock.read, clock.pause).wait([job], until=NOW + 25)
    assert (found.status, clock.now) == (QUEUED, NOW + 25)
    assert len(clock.pauses) <= 20
    assert clock.pauses[:-1] == sorted(clock.pauses[:-1])
    assert max(clock.pauses) <= 2


def test_an_end_is_seen_within_two_seconds_and_of_all_jobs(aws: None) -> None:
    clock, jobs = Clock(), [stored(), stored(ID[:-1] + "V")]
    clock.events = [(NOW + 3, jobs[0]), (NOW + 11, jobs[1])]
    found = Awaiting(clock.read, clock.pause).wait(jobs, until=NOW + 25)
    assert [job.status for job in found] == [CANCELED, CANCELED]
    assert NOW + 11 <= clock.now <= NOW + 13


def test_after_a_change_it_looks_more_often_again(aws: None) -> None:
    clock, jobs = Clock(), [stored(), stored(ID[:-1] + "V")]
    clock.events = [(NOW + 15, jobs[0])]
    Awaiting(clock.read, clock.pause).wait(jobs, until=NOW + 25)
    assert clock.pauses.count(min(clock.pauses)) >= 2


def test_nothing_is_read_when_no_time_is_left(aws: None) -> None:
    clock, job = Clock(), Job.new(ID, now=NOW, parameters=PARAMETERS, due_at=NOW)
    assert Awaiting(clock.read, clock.pause).wait([job], until=NOW) == [job]


def test_a_job_that_cannot_be_read_is_read_again() -> None:
    clock = Clock()  # and there are no tables
    job = Job.new(ID, now=NOW, parameters=PARAMETERS, due_at=NOW)
    [found] = Awaiting(clock.read, clock.pause).wait([job], until=NOW + 1)
    assert found is job
    assert len(clock.pauses) > 1
