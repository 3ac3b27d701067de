"""Status, start and stop of ComfyUI (spec: ComfyUI Integration)."""

from time import time
from typing import Any

from chalicelib.api.identity import identity
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.models.keys.api_key import GENERATE
from chalicelib.schemas.stop import StopRequest
from chalicelib.schemas.times import timestamp
from chalicelib.services.gpus.stop_texts import message_of

comfyui_routes = Routes(__name__)


@comfyui_routes.get("/api/images/comfyui/status")
def get_status() -> dict[str, str]:
    """Return what the GPU is doing: a status for programs and a message for people."""
    now = services().comfyui_status()
    return {"status": now.status, "message": now.message}


@comfyui_routes.post("/api/images/comfyui/start", scope=GENERATE)
def start() -> dict[str, str]:
    """Start a GPU instance; harmless when one is on."""
    caller = identity(comfyui_routes.current_request)
    services().gpu_power.start(None if caller.is_admin else caller.key_id)
    return {"status": "success", "message": "ComfyUI started successfully"}


@comfyui_routes.post("/api/images/comfyui/stop", body=StopRequest)
def stop(body: StopRequest) -> dict[str, Any]:
    """Stop all GPU instances, and start none for some time; safe to repeat."""
    stopped = services().gpu_power.stop(at_once=body.now, for_seconds=body.for_seconds)
    until = stopped.held_until
    return {
        "status": "success",
        "message": message_of(stopped, now=time()),
        "waiting_jobs": stopped.waiting_jobs,
        "held_until": until and timestamp(until),
    }
