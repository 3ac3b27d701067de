"""The stored codes of what a job waits for. Some are also codes of a failure."""

GPU_NOT_READY = "gpu_not_ready"
GPU_HELD = "gpu_held"
COMFYUI_UNREACHABLE = "comfyui_unreachable"
STORE_FAILED = "store_failed"
INTERNAL_ERROR = "internal_error"
BUDGET_EXHAUSTED = "budget_exhausted"
