"""What a job waits for: the codes that are stored. Some are the code of its failure, too."""

GPU_NOT_READY = "gpu_not_ready"
COMFYUI_UNREACHABLE = "comfyui_unreachable"
STORE_FAILED = "store_failed"
INTERNAL_ERROR = "internal_error"
BUDGET_EXHAUSTED = "budget_exhausted"
