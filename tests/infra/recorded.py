"""A session whose clients get recorded answers of AWS, which fit the models of its services."""

from types import SimpleNamespace
from typing import Any

import boto3
from botocore.validate import validate_parameters

REGION = "eu-west-1"


class Refused(dict[str, Any]):
    """An error answer of AWS."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(Error={"Code": code, "Message": message})


class Recorded(boto3.Session):
    """Answers each operation by its name, some by what was asked; AccessDenied to all others."""

    def __init__(self, **answers: Any) -> None:
        super().__init__("x", "x", region_name=REGION)
        self.answers = answers
        self.asked: list[str] = []

    def client(self, service_name: str, *given: Any, **options: Any) -> Any:
        made = super().client(service_name, *given, **options)
        made.meta.events.register("before-call", self._answer)
        return made

    def _answer(self, model: Any, params: Any, **_: Any) -> tuple[Any, Any]:
        self.asked.append(model.name)
        answer = self.answers.get(model.name, Refused("AccessDenied", f"no right to {model.name}"))
        if callable(answer):
            answer = answer(params["body"])
        if isinstance(answer, Refused):
            return SimpleNamespace(status_code=400), answer
        if model.output_shape:
            validate_parameters(answer, model.output_shape)
        return SimpleNamespace(status_code=200), answer
