"""The servers of the cloud: HTTP for metadata, HTTPS for every name, DNS."""

import contextlib
import socket
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.machine.authority import Authority
from tests.machine.cloud import git, metadata, names, s3, ssm
from tests.machine.cloud.folder import Folder
from tests.machine.cloud.messages import Answer, Request

ADDRESS = "192.0.2.10"


def start(folder: Folder, authority: Authority) -> None:
    """Start the servers, in threads that end with this process."""
    http = Server((metadata.ADDRESS, 80), folder)
    https = TlsServer((ADDRESS, 443), folder, authority.context())
    for serve in (http.serve_forever, https.serve_forever, lambda: names.serve(folder, ADDRESS)):
        Thread(target=serve, daemon=True).start()


def answer(folder: Folder, request: Request) -> Answer:
    """Answer as the service whose host the request names."""
    if request.host == metadata.ADDRESS:
        return metadata.answer(folder, request)
    if not request.host.endswith(".amazonaws.com"):
        return git.answer(folder, request) if ".git/" in request.path else Answer(404)
    if not request.header("Authorization"):
        return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", "application/xml")
    labels = request.host.split(".")
    services = {"ssm": ssm.answer, "s3": s3.answer}
    found = next((services[label] for label in labels if label in services), None)
    return found(folder, request) if found else Answer(404)


class Handler(BaseHTTPRequestHandler):
    """Reads requests, applies faults, and writes answers."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def _handle(self) -> None:
        request = self._request()
        fault = self._fault(request)
        self.server.folder.log(request.host, request.method, request.target, fault)
        if fault == "drop":
            self.close_connection = True
            return
        if fault.startswith("sleep"):
            time.sleep(float(fault.split()[1]))
        is_refused = fault.isdecimal()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._send(Answer(int(fault)) if is_refused else answer(self.server.folder, request))

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815

    def _fault(self, request: Request) -> str:
        is_metadata = request.host == metadata.ADDRESS
        return self.server.folder.fault_of("imds" if is_metadata else request.host)

    def _request(self) -> Request:
        host = self.headers.get("Host", "").partition(":")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, host, self.path, headers, self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        own = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))}
        for name, value in (own | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the folder has a log of its own."""


class Server(ThreadingHTTPServer):
    """Serves a folder."""

    def __init__(self, address: tuple[str, int], folder: Folder) -> None:
        self.folder = folder
        super().__init__(address, Handler)


class TlsServer(Server):
    """Makes the handshake in the connection's thread, so that a slow one delays no other."""

    def __init__(self, address: tuple[str, int], folder: Folder, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(address, folder)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        try:
            request = self._context.wrap_socket(request, server_side=True)
        except OSError as error:
            self.folder.log("TLS:", error)
            return
        super().process_request_thread(request, client_address)
