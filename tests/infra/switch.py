"""Runs the instance's switch at a given uptime, against servers with scripted answers."""

import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTANCE = Path(__file__).parents[2] / "infra" / "instance"
SCRIPT = INSTANCE / "darkroom-switch"
IDLE, SILENT, LONGEST = 1800, 2700, 86400


class Switch:
    """One instance: its state, its keep file, and whether it was powered off."""

    def __init__(self, folder: Path, port: int | str) -> None:
        self.state = folder / "run" / "state"
        self.keep = folder / "keep"
        self._uptime, self._marker = folder / "uptime", folder / "off"
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "COMFYUI_PORT": str(port),
            "SWITCH_STATE_DIR": str(self.state.parent),
            "SWITCH_KEEP_FILE": str(self.keep),
            "SWITCH_UPTIME_FILE": str(self._uptime),
            "POWEROFF": f"touch {self._marker}",
        }

    def look(self, uptime: int | str, **settings: str) -> str:
        """Return what the script prints at this uptime; it must not fail."""
        done = self.run(uptime, **settings)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run(self, uptime: int | str, **settings: str) -> subprocess.CompletedProcess[str]:
        self._uptime.write_text(f"{uptime}.25 1.00\n")
        return subprocess.run(
            [SCRIPT],
            env=self.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def is_off(self) -> bool:
        return self._marker.exists()


def http(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


EMPTY = http(b'{"exec_info": {"queue_remaining": 0}}')
BUSY = http(b'{"exec_info": {"queue_remaining": 2}}')
NO_HISTORY = http(b"{}")


class Answers:
    """The raw answers of a server; they may be changed while it runs."""

    def __init__(self, prompt: bytes = EMPTY, history: bytes = NO_HISTORY) -> None:
        self.prompt, self.history = prompt, history
        self.hang = threading.Event()
        self.hang.set()

    @contextmanager
    def serve(self) -> Iterator[int]:
        """Serve on 127.0.0.1 until the block ends; yield the port."""
        with Server(("127.0.0.1", 0), Handler) as server:
            server.answers = self
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            yield int(server.server_address[1])
            self.hang.set()
            server.shutdown()
            thread.join()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    answers: Answers


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        path = self.rfile.readline().split()[1]
        while self.rfile.readline().strip():
            pass
        answers = self.server.answers
        answers.hang.wait(60)
        try:
            self.wfile.write(answers.prompt if path == b"/prompt" else answers.history)
        except OSError:
            return  # The script has stopped reading.
