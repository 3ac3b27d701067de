"""What the document says of the API as a whole, of its groups of routes and of its paths."""

from typing import Annotated

from msgspec import Meta

from chalicelib import errors
from chalicelib.schemas.limits import PostId

DESCRIPTION = """\
Darkroom makes images with ComfyUI on GPUs that are on only while they work.

Send a key in the header `Authorization: Bearer dk_…`. Every error has the same body: `status`, \
`message` and `details`, which says what is wrong and what to do. In a request, \
a field that is `null` is left out, and unknown fields are refused.

A request for an image waits up to 25 seconds for it. If the image takes longer, or a GPU \
has to boot first, the answer is `202` with the job: read the job until `finished_at` is set.\
"""

TAGS = {
    "Images": "Generate an image, and download it.",
    "Jobs": "Each image is made by one job, which can be read and canceled.",
    "Posts": "Several images for a post of yours.",
    "Schedules": "Images at times that repeat.",
    "Settings": "Defaults of generation, and values of your own.",
    "Styles": "Templates of prompts.",
    "Formats": "Widths and heights with names.",
    "Prompt examples": "Prompts to begin with.",
    "GPU": "What the GPUs do; start and stop them.",
    "Usage": "What images cost.",
    "API keys": "Who may do what, and how often.",
    "Documentation": "This document, and its page.",
}

_ID = "01KB8Z3V5M4Q6W8N2R7T9X1Y3Z"
_JobId = Annotated[str, Meta(min_length=1, max_length=40, examples=[_ID])]

# The type and the description of each parameter of a path.
PATH_PARAMETERS = {
    "job_id": (_JobId, "The id of a job."),
    "image_id": (Annotated[str, Meta(min_length=1, examples=[f"{_ID}-0"])], "The id of an image."),
    "result_id": (Annotated[str, Meta(min_length=1)], "As a redirect has it."),
    "post_id": (PostId, "The id of a post: 1 to 128 letters, digits and `_.:~-`."),
    "schedule_id": (_JobId, "The id of a schedule."),
    "item_id": (Annotated[int, Meta(ge=1, le=10**12 - 1)], "The id of an item."),
    "key_id": (
        Annotated[str, Meta(min_length=1, examples=["k3x9m2q7w1ab"])],
        "The id of a key: its part between `dk_` and the secret.",
    ),
}

# What each status of an error means, for every route that may answer it, and one such error.
ERRORS: dict[int, tuple[str, type[errors.DarkroomError]]] = {
    400: (
        "A field, a parameter or a header is wrong: `details.field` names it.",
        errors.InvalidRequest,
    ),
    401: (
        "There is no API key, or it is unknown, expired or revoked.",
        errors.Unauthenticated,
    ),
    403: (
        "The key lacks the scope, or the request is larger than the key's limit of a day.",
        errors.Forbidden,
    ),
    404: ("Nothing has this id, it is another owner's, or it is no longer kept.", errors.NotFound),
    413: ("The body is too large.", errors.BodyTooLarge),
    415: (
        "The body is not JSON in UTF-8, or is compressed in an unknown way.",
        errors.UnsupportedContentType,
    ),
    429: (
        "A limit is reached. Send the request again after `Retry-After` seconds.",
        errors.TooManyRequests,
    ),
    500: ("Darkroom has a defect.", errors.DarkroomError),
    503: (
        "The request was not answered in time. Send it again after `Retry-After` seconds, with the"
        " same `Idempotency-Key` if it had one.",
        errors.Unanswered,
    ),
}
