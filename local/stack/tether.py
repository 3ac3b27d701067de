"""Runs a command for as long as its parent lives: `python -m local.stack.tether COMMAND …`.

A demo that is killed must leave nothing running, and the emulator saves its data only when it
is asked to stop. So this process reads its standard input, which ends with the parent.
"""

import os
import subprocess
import sys
import threading

# The emulator first finishes what is under way, up to the 29 s of the API function.
STOP_SECONDS = 40


def main(command: list[str]) -> int:
    """Run the command; stop it when standard input ends."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_stop_with_parent, args=(child,), daemon=True).start()
    return child.wait()


def _stop_with_parent(child: subprocess.Popen[bytes]) -> None:
    # Not through sys.stdin, whose lock this thread would hold when the interpreter ends.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
