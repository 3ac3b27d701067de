"""Status, start and stop of ComfyUI (spec: ComfyUI Integration)."""

from time import time

from chalicelib.api.identity import identity
from chalicelib.api.instance_resource import instance_list
from chalicelib.api.operation import Answer, Operation
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.errors import (
    ComfyUIUnavailable,
    Conflict,
    NoCapacity,
    StartFailed,
    StillStopping,
    StopFailed,
    Throttled,
)
from chalicelib.models.keys.api_key import ADMIN, GENERATE
from chalicelib.schemas.answers.comfyui import ComfyUIStatus, Started, Stopped
from chalicelib.schemas.answers.gpus import InstanceList
from chalicelib.schemas.stop import StopRequest
from chalicelib.schemas.times import timestamp
from chalicelib.services.gpus.stop_texts import message_of

comfyui_routes = Routes(__name__)


@comfyui_routes.get(
    "/api/images/comfyui/status",
    Operation("getStatus", "GPU", (Answer(200, ComfyUIStatus, "The status."),)),
)
def get_status() -> ComfyUIStatus:
    """Read what the GPU does.

    `status` is for programs and `message` for people. Reading it changes nothing.
    """
    now = services().comfyui_status()
    return ComfyUIStatus(status=now.status, message=now.message)


@comfyui_routes.get(
    "/api/images/comfyui/instances",
    Operation(
        "listInstances",
        "GPU",
        (Answer(200, InstanceList, "The instances."),),
        ADMIN,
    ),
)
def list_instances() -> InstanceList:
    """List the GPU instances.

    Each has its state, its jobs, what it costs today, its last boot, and when and why Darkroom
    stops it. What EC2 says of it is up to a minute old. Reading it changes nothing.
    """
    return instance_list(services().instances.report())


@comfyui_routes.post(
    "/api/images/comfyui/start",
    Operation(
        "startComfyUI",
        "GPU",
        (Answer(200, Started, "An instance starts, or is on."),),
        GENERATE,
        errors=(StartFailed, StillStopping, Throttled, NoCapacity, ComfyUIUnavailable),
    ),
)
def start() -> Started:
    """Start a GPU without a job.

    Harmless if one is on. A key may do so once an hour, a key with the scope `admin` at any time.
    """
    caller = identity(comfyui_routes.current_request)
    services().gpu_power.start(None if caller.is_admin else caller.key_id)
    return Started(message="ComfyUI started successfully")


@comfyui_routes.post(
    "/api/images/comfyui/stop",
    Operation(
        "stopComfyUI",
        "GPU",
        (Answer(200, Stopped, "What happens now."),),
        ADMIN,
        body=StopRequest,
        errors=(Conflict, StopFailed),
        examples={"for an hour": {"for_seconds": 3600}, "at once": {"now": True}},
    ),
)
def stop(body: StopRequest) -> Stopped:
    """Stop all GPUs.

    Starts none for some time. Instances finish their jobs first, unless `now` is true. Safe to
    repeat.
    """
    stopped = services().gpu_power.stop(at_once=body.now, for_seconds=body.for_seconds)
    until = stopped.held_until
    return Stopped(
        message=message_of(stopped, now=time()),
        waiting_jobs=stopped.waiting_jobs,
        held_until=timestamp(until) if until else None,
    )
