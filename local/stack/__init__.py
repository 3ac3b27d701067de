"""The stack on this machine: an emulator of AWS, a GPU instance, and their processes."""
