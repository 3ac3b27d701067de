"""What shows that a ComfyUI is unhealthy, and how long its executions take."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.gateways.comfyui.errors import failure
from chalicelib.gateways.comfyui.state import Finished, finished
from tests.gateways.faulty import ENTRY, Script, serving
from tests.gateways.following import connect, follow
from tests.gateways.region import Region, acquire, fleet_of
from tests.gateways.talks import says

FAULTS = [
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be",
    "CUDA error: device-side assert triggered",
    "CUDA error: unspecified launch failure",
    "CUDA driver error: unknown error",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa)`",
    "HIP error: the operation cannot be performed in the present state",
    "NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:275",
]
NO_FAULTS = [
    "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)",
    "Torch not compiled with CUDA enabled",
    "Expected all tensors to be on the same device, cuda:0 and cpu",
    "[Errno 28] No space left on device",
    "an error in CUDAGraphs: see the log",
    "",
]


def kind_of(message: str, exception: str = "RuntimeError") -> str:
    data = {"exception_type": exception, "exception_message": message}
    return failure([("execution_error", data)]).kind


@pytest.mark.parametrize("message", FAULTS)
def test_a_fault_of_the_gpu_is_recognized_by_its_message(message: str) -> None:
    assert kind_of(message) == "gpu_failed"


@pytest.mark.parametrize("message", NO_FAULTS)
def test_a_failure_of_a_node_is_not_a_fault_of_the_gpu(message: str) -> None:
    assert kind_of(message) == "node_failed"


def test_an_unknown_error_of_cuda_is_a_fault_of_the_gpu() -> None:
    assert kind_of("CUDA unknown error - this may be due to an incorrectly set up") == "gpu_failed"


def test_too_little_memory_is_not_a_fault_of_the_gpu() -> None:
    assert kind_of("CUDA error: out of memory") == "out_of_memory"
    assert kind_of("Allocation on device", "torch.OutOfMemoryError") == "out_of_memory"


def ended(status: str, *messages: Any) -> dict[str, Any]:
    return {**ENTRY, "status": {"status_str": status, "messages": list(messages)}}


FAULT = ["execution_error", {"exception_type": "AcceleratorError", "exception_message": FAULTS[0]}]
NODE = ["execution_error", {"exception_type": "ValueError", "exception_message": "no"}]
NEVER = 10**6

HEALTH: dict[str, tuple[dict[str, Any], bool]] = {
    "an execution that never ends": ({"ends_at_look": NEVER}, True),
    "a fault of the GPU": ({"ends_at_look": 0, "entry": ended("error", FAULT)}, True),
    "a failure of a node": ({"ends_at_look": 0, "entry": ended("error", NODE)}, False),
    "a success": ({"ends_at_look": 0}, False),
    "nothing, as it was restarted": ({"ends_at_look": 0, "attempt_id": "later"}, False),
}


@pytest.mark.parametrize(("script", "is_unhealthy"), HEALTH.values(), ids=HEALTH)
def test_comfyui_is_unhealthy_while_it_has_the_attempt_that_shows_it(
    *, script: dict[str, Any], is_unhealthy: bool
) -> None:
    with serving(Script(**script)) as url:
        assert connect(url).is_unhealthy("job-1") is is_unhealthy


def test_an_instance_that_was_marked_unhealthy_serves_only_when_it_is_healthy(aws: None) -> None:
    region = Region("running", "running")
    region.queues |= {"i-0": 0, "i-1": 5}
    region.broken = {"bad"}
    fleet = fleet_of(region)
    acquire(fleet).record.mark_unhealthy_by("bad", now=100)
    assert [server.instance.id for server in fleet.inventory.serving()] == ["i-1"]
    assert fleet.inventory.observe_server("i-0") is None
    assert [each.state for each in fleet.inventory.observe()] == ["unhealthy", "busy"]
    region.broken.clear()
    assert acquire(fleet).instance.id == "i-0"
    assert fleet.inventory.observe_server("i-0") is not None


def test_an_instance_serves_if_the_attempt_it_was_marked_by_shows_no_fault(aws: None) -> None:
    region = Region("running")
    region.queues["i-0"] = 0
    region.broken = {"bad"}
    fleet = fleet_of(region)
    assert acquire(fleet).instance.id == "i-0"
    acquire(fleet).record.mark_unhealthy_by("good", now=100)
    assert acquire(fleet).instance.id == "i-0"


def seconds(*messages: Any, status: str = "success") -> float | None:
    state = finished("job-1", {"job-1": ended(status, *messages)})
    assert isinstance(state, Finished)
    return state.execution_seconds


def at(milliseconds: int, name: str = "execution_start") -> list[Any]:
    return [name, {"prompt_id": "job-1", "timestamp": milliseconds}]


def test_execution_seconds_are_from_the_first_message_to_the_last() -> None:
    assert seconds(at(1_000_500), at(1_000_600), at(1_004_000, "execution_success")) == 3.5
    assert seconds(at(2000), at(4500, "execution_interrupted"), status="error") == 2.5


def test_execution_seconds_are_unknown_without_timestamps() -> None:
    assert seconds() is None
    assert seconds(["execution_start", {}]) is None
    assert seconds(["execution_start", {}], at(5000)) == 0


@given(times=st.lists(st.integers(0, 2**45), min_size=1))
def test_execution_seconds_are_never_negative(times: list[int]) -> None:
    found = seconds(*(at(each) for each in times))
    assert found is not None
    assert found == (max(times) - min(times)) / 1000 >= 0


GREETING = {"type": "executing", "data": {"node": "3"}}  # it has no prompt id


def test_the_first_message_of_a_websocket_is_not_reported_as_progress() -> None:
    """ComfyUI first sends the node that runs, even if it has hung for hours."""
    script = Script(talk=says(GREETING), ends_at_look=NEVER)
    followed = follow(script, until=time.time() + 0.5)
    assert script.count("/ws") == 1
    assert followed.reports == []
