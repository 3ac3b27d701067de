"""Status and start of ComfyUI (spec: ComfyUI Integration)."""

from chalicelib.api.identity import identity
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.models.keys.api_key import GENERATE

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
    services().fleet.start(None if caller.is_admin else caller.key_id)
    return {"status": "success", "message": "ComfyUI started successfully"}
