"""Allowances of keys, and how many images were counted against them."""

from chalicelib.models.keys.allowance import MEGA, Allowance, DailyWork, Work

PLENTY = 10**6


def allowance_of(key_id: str, images: int, megapixel_steps: float = PLENTY) -> Allowance:
    """Return a key's allowance, with ample megapixel-steps unless a number is given."""
    return Allowance(key_id, Work(images, round(megapixel_steps * MEGA)))


def counted(key_id: str, now: float) -> int:
    """Return how many images a key asked for on a day."""
    return int(DailyWork.get(f"work:{key_id}:{int(now // 86_400)}").images)
