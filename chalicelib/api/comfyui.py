"""State and start of ComfyUI (spec: ComfyUI Integration)."""

from chalicelib.api.identity import identity
from chalicelib.api.routes import Routes
from chalicelib.bootstrap import services
from chalicelib.models.keys.api_key import GENERATE

comfyui_routes = Routes(__name__)


@comfyui_routes.get("/api/images/comfyui/status")
def get_status() -> dict[str, str]:
    """Say what the GPU is doing, for programs and for people."""
    now = services().comfyui_status()
    return {"status": now.status, "message": now.message}


@comfyui_routes.post("/api/images/comfyui/start", scope=GENERATE)
def start() -> dict[str, str]:
    """Start a GPU instance; harmless when one runs."""
    who = identity(comfyui_routes.current_request)
    services().fleet.start(None if who.is_admin else who.key_id)
    return {"status": "success", "message": "ComfyUI started successfully"}
