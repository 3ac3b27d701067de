"""The stack on this machine: an emulator of AWS, a GPU instance, and the processes of both."""
