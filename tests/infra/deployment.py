"""A deployment of all functions and a GPU instance, whose calls of AWS are recorded."""

import json
from typing import Any, cast

import boto3
from chalice import Chalice
from chalice.local import LambdaContext
from chalice.test import Client, HTTPResponse

import app
from chalicelib.bootstrap import services
from chalicelib.config import config
from chalicelib.models.schedules.run import key_of
from infra.keys import create
from tests.api.gateway import Event, Gateway
from tests.api.keyed import KeyedClient
from tests.conftest import forget_services
from tests.infra.recording import Listener

SMALL = {"prompt": "x", "width": 64, "height": 64, "steps": 1}


class Recorded(Gateway):
    """API Gateway before the API function, which is recorded."""

    def __init__(self, application: Chalice, recorder: Listener) -> None:
        super().__init__(application)
        self._recorder = recorder

    def __call__(self, event: Event, context: LambdaContext) -> Event:
        with self._recorder.during("APIHandler"):
            return super().__call__(event, context)


class Deployment:
    """All functions, a GPU instance that EC2 starts, and a recorder of their calls."""

    def __init__(self, recorder: Listener, comfyui_url: str) -> None:
        self.recorder = recorder
        self.ec2 = boto3.client("ec2")
        tags = {"darkroom:fleet": config.fleet_tag, "darkroom:endpoint": comfyui_url}
        self.gpu = self._launch(tags)
        self.clients = {
            scopes: self._client(scopes) for scopes in (("admin",), ("read", "generate"))
        }

    def _launch(self, tags: dict[str, str]) -> str:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        launched = self.ec2.run_instances(
            ImageId="ami-12c6146b",
            InstanceType="g4dn.xlarge",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
        )
        return str(launched["Instances"][0]["InstanceId"])

    def _client(self, scopes: tuple[str, ...]) -> KeyedClient:
        gateway = cast("Chalice", Recorded(app.app, self.recorder))
        http = KeyedClient(gateway, Client(gateway).http._config)
        http.token = create("-".join(scopes), scopes=scopes)
        return http

    def call(
        self, method: str, path: str, body: object = None, *, admin: bool = True, **headers: str
    ) -> HTTPResponse:
        http = self.clients[("admin",) if admin else ("read", "generate")]
        content = b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.recorder.during("Authorizer"):
            answer = http.request(
                method, path, headers={"content-type": "application/json", **named}, body=content
            )
        assert answer.status_code < 500, answer.body
        return answer

    def accepted(self, **wanted: Any) -> str:
        answer = self.call("POST", "/api/images/generate", SMALL | wanted, prefer="respond-async")
        return str(answer.json_body["id"])

    def work(self, message: str = "") -> None:
        """Have a worker process a message, by default to follow the instance."""
        with self.recorder.during("Worker"):
            event = {"Records": [{"body": message or self.gpu, "receiptHandle": "x"}]}
            # It follows for 4 s: a worker leaves 20 s to finish and to hand over.
            app.work(event, LambdaContext("worker", 512, max_runtime_ms=24_000))

    def run(self, schedule_id: str, at: float) -> None:
        """Deliver the message of a scheduled time."""
        body = {"schedule_id": schedule_id, "scheduled_at": key_of(at)}
        attributes = {"SentTimestamp": str(int(at * 1000))}
        record = {"messageId": "m", "body": json.dumps(body), "attributes": attributes}
        with self.recorder.during("Runs"):
            answer = app.run({"Records": [{**record, "receiptHandle": "x"}]}, None)
        assert answer == {"batchItemFailures": []}

    def reconcile(self) -> None:
        with self.recorder.during("Reconciler"):
            app.reconcile(_event({}), None)

    def observe(self) -> None:
        """Have the reconciler look at the instance, and stop nothing."""
        with self.recorder.during("Reconciler"):
            services().inventory.observe()

    def turn(self, what: str) -> None:
        """Turn the instance off or on from outside, and clear what the functions have cached."""
        act = self.ec2.stop_instances if what == "off" else self.ec2.start_instances
        act(InstanceIds=[self.gpu])
        forget_services()

    def reclaim(self) -> None:
        with self.recorder.during("Reclaim"):
            app.reclaim(_event({"instance-id": self.gpu}), None)


def _event(detail: dict[str, str]) -> dict[str, Any]:
    names = ("version", "account", "region", "detail-type", "source", "time", "id")
    return {**dict.fromkeys(names, ""), "resources": [], "detail": detail}
