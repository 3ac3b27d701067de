"""SSM's GetParameter."""

import json

from tests.machine.cloud.folder import Folder
from tests.machine.cloud.messages import Answer, Request

_TYPE = "application/x-amz-json-1.1"


def answer(folder: Folder, request: Request) -> Answer:
    """Return the parameter that the request names."""
    name = json.loads(request.body)["Name"]
    file = folder.parameter(name)
    if not file.is_file():
        return Answer(400, json.dumps({"__type": "ParameterNotFound"}).encode(), _TYPE)
    value = {"Name": name, "Type": "String", "Value": file.read_text(), "Version": 1}
    return Answer(200, json.dumps({"Parameter": value}).encode(), _TYPE)
