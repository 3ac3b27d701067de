"""A web server with TLS, ranges, and connections that can break off."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Web(ThreadingHTTPServer):
    """The server's files, its requests, and how many bytes it sends before it breaks off."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.breaks_after: int | None = None
        self.knows_ranges = True
        self.certificate = folder / "certificate.pem"
        self._use_tls(folder / "key.pem")

    def _use_tls(self, key: Path) -> None:
        options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", key, "-out", self.certificate]
        subprocess.run(
            ["openssl", "req", *options, *names, *files], check=True, capture_output=True
        )
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.certificate, key)
        self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        ranged = self.headers.get("Range", "")
        self.server.asked.append((self.path, ranged))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(ranged.removeprefix("bytes=").rstrip("-") or 0)
        if start >= len(content):
            self.send_error(416)
            return
        self._send(content, start if self.server.knows_ranges else 0)

    def _send(self, content: bytes, start: int) -> None:
        rest = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(rest[: self.server.breaks_after])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def web(folder: Path) -> Iterator[Web]:
    with Web(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
