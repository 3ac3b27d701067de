"""ComfyUI over HTTP and websocket."""
