"""A stand-in for a ComfyUI server: it speaks the protocol, without a GPU or a model."""
