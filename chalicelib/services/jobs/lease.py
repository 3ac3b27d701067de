"""For how long a job is its driver's."""

LEASE_SECONDS = 30  # a dead driver is noticed so much later; one that follows a run renews it
LEASE_GRACE_SECONDS = 15  # a driver's own deadline is earlier, so that it can store and finish
