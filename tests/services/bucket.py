"""An image bucket in memory."""

from io import BytesIO

from chalicelib.signals import StoreFailed


class FakeImages:
    """Stores images and their provenance; the next `failures` images fail."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.provenance: dict[str, bytes] = {}
        self.puts = 0  # of images
        self.failures = 0
        self.provenance_failures = 0

    def put(self, key: str, content: BytesIO, size: int) -> None:
        is_image = not key.endswith(".json")
        self.puts += is_image
        if is_image and self.failures:
            self.failures -= 1
            raise StoreFailed("the image could not be stored")
        if not is_image and self.provenance_failures:
            self.provenance_failures -= 1
            raise StoreFailed("the image could not be stored")
        (self.stored if is_image else self.provenance)[key] = content.read()

    def delete(self, job_id: str) -> None:
        for kept in (self.stored, self.provenance):
            for key in [key for key in kept if key.startswith(f"images/{job_id}/")]:
                del kept[key]
