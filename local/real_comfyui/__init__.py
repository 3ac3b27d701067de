"""The real ComfyUI on this machine, installed as on a GPU instance."""
