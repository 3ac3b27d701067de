"""Run a command for as long as the parent process lives: `python -m local.stack.tether COMMAND …`.

A demo that is killed must leave nothing running, and the emulator saves its data only when it
is asked to stop. This process therefore reads its standard input, which ends with the parent.
"""

import os
import subprocess
import sys
import threading

# The emulator first lets running functions finish: up to 29 s for the API function.
STOP_SECONDS = 40


def main(command: list[str]) -> int:
    """Run the command; stop it when standard input ends."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_stop_with_parent, args=(child,), daemon=True).start()
    return child.wait()


def _stop_with_parent(child: subprocess.Popen[bytes]) -> None:
    # os.read, because with sys.stdin this thread would hold its lock when the interpreter ends.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
