"""The `nodes.py` of the machine's ComfyUI, in which an installation looks for node classes."""

from local.comfyui.declarations import declarations

NODE_CLASS_MAPPINGS = declarations([], [])
