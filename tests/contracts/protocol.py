"""Speaks ComfyUI's protocol in the raw, without the gateway that is to be trusted with it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests
import websocket

from tests.contracts.graphs import Graph

PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Message:
    """One text message of the websocket."""

    type: str
    data: dict[str, Any]


@dataclass
class Listener:
    """One websocket connection and all that it has heard."""

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
    """A prompt that has ended, its messages and its entry in the history."""

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

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        return requests.get(
            self.url + path, params=params, headers=headers, timeout=PATIENCE_SECONDS
        )

    def view(self, image: Mapping[str, str], **more: str) -> requests.Response:
        """Fetch an image by what the history says of it."""
        return self.get("/view", {**image, **more})

    def post(self, path: str, body: object) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=PATIENCE_SECONDS)

    def post_raw(self, path: str, content: bytes) -> requests.Response:
        return requests.post(self.url + path, data=content, timeout=PATIENCE_SECONDS)

    def upload(self, name: str, content: bytes, **fields: str) -> requests.Response:
        url, files = f"{self.url}/upload/image", {"image": (name, content)}
        return requests.post(url, files=files, data=fields, timeout=PATIENCE_SECONDS)

    def submit(self, graph: Graph, **fields: object) -> str:
        """Queue a graph that is expected to be accepted, and give its prompt id."""
        response = self.post("/prompt", {"prompt": graph, **fields})
        assert response.status_code == 200, response.text
        return str(response.json()["prompt_id"])

    def refusal(self, graph: object, **fields: object) -> dict[str, Any]:
        """Submit a graph that is expected to be refused, and give the reasons."""
        response = self.post("/prompt", {"prompt": graph, **fields})
        assert response.status_code == 400, response.text
        return dict(response.json())

    def run(self, graph: Graph, **fields: object) -> Run:
        """Submit a graph and wait for its end."""
        with self.listener() as listener:
            prompt_id = self.submit(graph, client_id=listener.client_id, **fields)
            messages = listener.until_end(prompt_id)
        return Run(prompt_id, messages, self.entry(prompt_id))

    def entry(self, prompt_id: str) -> dict[str, Any]:
        """The history of a prompt that has ended."""
        return dict(self.get(f"/history/{prompt_id}").json()[prompt_id])

    def interrupt(self, prompt_id: str) -> None:
        """Stop this prompt if it runs; never anybody else's."""
        self.post("/interrupt", {"prompt_id": prompt_id})

    @contextmanager
    def listener(self, client_id: str | None = None) -> Iterator[Listener]:
        """A websocket that has had its greeting."""
        client_id = client_id or uuid4().hex
        url = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={client_id}"
        socket = websocket.create_connection(url, timeout=PATIENCE_SECONDS, suppress_origin=True)
        try:
            listener = Listener(client_id, socket)
            listener.next()
            yield listener
        finally:
            socket.close()
