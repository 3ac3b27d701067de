"""How long calls of AWS take, where an emulator or a fake answers at once."""

from typing import Annotated

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.structs import fields

Milliseconds = Annotated[float, Meta(ge=0)]


class Latencies(Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds of a call, from a function in the same region."""

    dynamodb: Milliseconds = 4
    transaction: Milliseconds = 10
    sqs: Milliseconds = 8
    s3_put: Milliseconds = 25
    s3_get: Milliseconds = 15
    ec2: Milliseconds = 40
    scheduler: Milliseconds = 20

    @classmethod
    def parse(cls, text: str) -> "Latencies":
        """Read `dynamodb=4 s3_put=25`; what is not named keeps its default. Raise ValueError."""
        named = dict(each.partition("=")[::2] for each in text.split())
        try:
            return convert(named, cls, strict=False)
        except ValidationError as error:
            names = ", ".join(field.name for field in fields(cls))
            raise ValueError(f"latencies are NAME=MS, with the names {names}: {error}") from error

    def of(self, service: str, operation: str) -> float:
        """Return the milliseconds of one HTTP request."""
        if service == "s3":
            return self.s3_put if operation in _S3_WRITES else self.s3_get
        if operation.startswith("Transact"):
            return self.transaction
        return float(getattr(self, service))


_S3_WRITES = ("PutObject", "DeleteObjects")
