"""Why an execution failed: a message for people, a kind for programs, no paths of the server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.gateways.comfyui.errors import Failure, failure
from chalicelib.gateways.comfyui.state import Finished, ImageFile
from tests.gateways.explaining import explained
from tests.gateways.faulty import IMAGE, Script, serving
from tests.gateways.following import connect

PARTS = st.lists(st.text("abcXYZ019._-", min_size=1), min_size=2, max_size=6)
PATHS = st.one_of(
    PARTS.map(lambda parts: "/" + "/".join(parts)),
    PARTS.map(lambda parts: "C:\\" + "\\".join(parts)),
)


def failed(**data: Any) -> Failure:
    """Return the failure of an execution that ended in an error."""
    start = ["execution_start", {"prompt_id": "job-1"}]
    messages = [start, ["execution_error", {"node_type": "KSampler", **data}]]
    outputs = {"8": {"images": [IMAGE]}}
    status = {"status_str": "error", "completed": False, "messages": messages}
    with serving(Script(ends_at_look=0, entry={"outputs": outputs, "status": status})) as url:
        state = connect(url).find("job-1")
    assert isinstance(state, Finished)
    assert state.images == {"8": [ImageFile(**IMAGE)]}
    assert state.failure
    return state.failure


def test_a_failure_names_the_node_and_the_first_line_of_its_message() -> None:
    message = "\nmat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)\nat line 7\n"
    expected = "KSampler failed in ComfyUI: mat1 and mat2 shapes cannot be multiplied"
    found = failed(exception_message=message, exception_type="RuntimeError")
    assert found == Failure("node_failed", f"{expected} (77x2048 and 768x320)")


def test_a_failure_without_a_message_names_its_type() -> None:
    assert failed(exception_message="", exception_type="KeyError").error.endswith(": KeyError")


def test_a_long_failure_message_is_cut() -> None:
    assert len(failed(exception_message="x" * 100_000).error) < 400


@pytest.mark.parametrize(
    "data",
    [
        {"exception_type": "torch.OutOfMemoryError", "exception_message": "Allocation on device"},
        {"exception_type": "torch.cuda.OutOfMemoryError"},
        {"exception_type": "RuntimeError", "exception_message": "CUDA error: out of memory\n"},
    ],
)
def test_a_gpu_without_enough_memory_is_a_failure_of_its_own_kind(data: dict[str, str]) -> None:
    assert failed(**data) == Failure("out_of_memory", "the GPU ran out of memory")


@given(path=PATHS)
def test_no_failure_shows_a_path_of_the_server(path: str) -> None:
    message = f"[Errno 2] No such file or directory: '{path}'"
    found = failure([("execution_error", {"exception_message": message})])
    assert path not in found.error
    assert "No such file or directory" in found.error


@given(path=PATHS)
def test_no_refusal_shows_a_path_of_the_server(path: str) -> None:
    problem = {"message": "Custom validation failed", "details": f"image - not in {path}"}
    nodes = {"1": {"class_type": "LoadImage", "errors": [problem]}}
    for body in ({"error": problem}, {"error": problem, "node_errors": nodes}):
        refusal = explained(body)
        assert path not in str(refusal)
        assert "Custom validation failed" in str(refusal)


def test_the_choices_of_an_input_are_suggested_up_to_a_length() -> None:
    names = [f"sd15/model-{number}.safetensors" for number in range(500)]
    extra = {"input_name": "ckpt_name", "received_value": "x", "input_config": [names, {}]}
    problem = {"type": "value_not_in_list", "details": "", "extra_info": extra}
    nodes = {"4": {"class_type": "CheckpointLoaderSimple", "errors": [problem]}}
    refusal = explained({"error": {}, "node_errors": nodes})
    assert names[0] in refusal.suggestion
    assert len(refusal.suggestion) < 1000


def test_nothing_is_suggested_if_the_choices_are_unknown() -> None:
    extra = {"input_name": "sampler_name", "received_value": "nope", "input_config": None}
    problem = {"type": "value_not_in_list", "details": "", "extra_info": extra}
    nodes = {"3": {"class_type": "KSampler", "errors": [problem]}}
    refusal = explained({"error": {}, "node_errors": nodes})
    assert "'nope'" in str(refusal)
    assert "Choose one of" not in refusal.suggestion
