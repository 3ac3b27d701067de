"""A stand-in for a ComfyUI server: its protocol, without a GPU or a model."""
