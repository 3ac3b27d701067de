"""The ids of attempts, which are ComfyUI's prompt ids."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.services.gpus.warm_up import WARM_UP_ID

JOB, OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"


def is_canonical(text: str) -> bool:
    return str(UUID(text)) == text


@given(job_id=st.text(), number=st.integers(1, 99))
def test_an_attempts_id_is_a_uuid_in_the_form_that_comfyui_demands(
    job_id: str, number: int
) -> None:
    assert is_canonical(attempt_id(job_id, number))


def test_the_id_of_the_warm_up_is_such_a_uuid_too() -> None:
    assert is_canonical(WARM_UP_ID)


def test_each_attempt_of_each_job_has_an_id_of_its_own() -> None:
    ids = {attempt_id(job_id, number) for job_id in (JOB, OTHER) for number in range(1, 12)}
    assert len(ids | {WARM_UP_ID}) == 23


def test_an_attempts_id_is_the_same_in_every_process_and_release() -> None:
    """A driver of another release may look for the attempts of this one."""
    assert attempt_id(JOB, 1) == "dc4802c1-24e5-56f2-9273-8e1fcd7bb189"
