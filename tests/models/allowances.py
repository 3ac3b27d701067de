"""Allowances of keys that are limited by their images, and what was counted of them."""

from chalicelib.models.keys.allowance import MEGA, Allowance, DailyWork, Work

PLENTY = 10**6


def allowance_of(key_id: str, images: int, megapixel_steps: float = PLENTY) -> Allowance:
    """Return the allowance of a key."""
    return Allowance(key_id, Work(images, round(megapixel_steps * MEGA)))


def counted(key_id: str, now: float) -> int:
    """Return how many images a key asked for on a day."""
    return int(DailyWork.get(f"work:{key_id}:{int(now // 86_400)}").images)
