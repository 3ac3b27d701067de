"""A client of ComfyUI's protocol that is independent of the application's gateway."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests
import websocket

from tests.contracts.graphs import Graph

TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Message:
    """One text message of the websocket."""

    type: str
    data: dict[str, Any]


@dataclass
class Listener:
    """A websocket connection and the messages that it has received."""

    client_id: str
    socket: websocket.WebSocket
    heard: list[Message] = field(default_factory=list)

    def next(self) -> Message:
        message = json.loads(self.socket.recv())
        self.heard.append(Message(message["type"], message["data"]))
        return self.heard[-1]

    def until(self, kind: str, **data: object) -> Message:
        while True:
            message = self.next()
            if message.type == kind and data.items() <= message.data.items():
                return message

    def until_end(self, prompt_id: str) -> list[Message]:
        self.until("executing", prompt_id=prompt_id, node=None)
        return self.about(prompt_id)

    def about(self, prompt_id: str) -> list[Message]:
        return [message for message in self.heard if message.data.get("prompt_id") == prompt_id]


@dataclass(frozen=True)
class Run:
    """A prompt that has ended, with its messages and its entry in the history."""

    prompt_id: str
    messages: list[Message]
    entry: dict[str, Any]

    @property
    def images(self) -> list[dict[str, str]]:
        outputs = self.entry["outputs"].values()
        return [image for output in outputs for image in output["images"]]

    @property
    def cached(self) -> set[str]:
        return set(self.status_messages["execution_cached"]["nodes"])

    @property
    def status_messages(self) -> dict[str, dict[str, Any]]:
        return dict(self.entry["status"]["messages"])


@dataclass(frozen=True)
class ComfyUI:
    """A server under test."""

    url: str
    checkpoint: str

    def is_at_least(self, *version: int) -> bool:
        """Return whether the server's version is this one, or a later one."""
        text = self.get("/system_stats").json()["system"]["comfyui_version"]
        return tuple(int(part) for part in text.split(".")) >= version

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        return requests.get(
            self.url + path, params=params, headers=headers, timeout=TIMEOUT_SECONDS
        )

    def view(self, image: Mapping[str, str], **more: str) -> requests.Response:
        """Fetch an image by its entry in the history."""
        return self.get("/view", {**image, **more})

    def post(self, path: str, body: object) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=TIMEOUT_SECONDS)

    def post_raw(self, path: str, content: bytes) -> requests.Response:
        return requests.post(self.url + path, data=content, timeout=TIMEOUT_SECONDS)

    def upload(self, name: str, content: bytes, **fields: str) -> requests.Response:
        url, files = f"{self.url}/upload/image", {"image": (name, content)}
        return requests.post(url, files=files, data=fields, timeout=TIMEOUT_SECONDS)

    def submit(self, graph: Graph, **fields: object) -> str:
        """Submit a graph that is expected to be accepted; return its prompt id."""
        response = self.post("/prompt", {"prompt": graph, **fields})
        assert response.status_code == 200, response.text
        return str(response.json()["prompt_id"])

    def refusal(self, graph: object, **fields: object) -> dict[str, Any]:
        """Submit a graph that is expected to be refused; return the response body."""
        response = self.post("/prompt", {"prompt": graph, **fields})
        assert response.status_code == 400, response.text
        return dict(response.json())

    def run(self, graph: Graph, **fields: object) -> Run:
        """Submit a graph and wait until it ends."""
        with self.listener() as listener:
            prompt_id = self.submit(graph, client_id=listener.client_id, **fields)
            messages = listener.until_end(prompt_id)
        return Run(prompt_id, messages, self.entry(prompt_id))

    def entry(self, prompt_id: str) -> dict[str, Any]:
        """Return the history entry of a prompt that has ended."""
        return dict(self.get(f"/history/{prompt_id}").json()[prompt_id])

    def interrupt(self, prompt_id: str) -> None:
        """Stop a prompt if it is running, and no other prompt."""
        self.post("/interrupt", {"prompt_id": prompt_id})

    @contextmanager
    def listener(self, client_id: str | None = None) -> Iterator[Listener]:
        """Open a websocket and receive its first message."""
        client_id = client_id or uuid4().hex
        url = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={client_id}"
        socket = websocket.create_connection(url, timeout=TIMEOUT_SECONDS, suppress_origin=True)
        try:
            listener = Listener(client_id, socket)
            listener.next()
            yield listener
        finally:
            socket.close()
