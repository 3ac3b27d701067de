"""How long a driver has the lease of a job."""

LEASE_SECONDS = 30  # until a dead driver is noticed; a driver that follows an attempt renews it
LEASE_GRACE_SECONDS = 15  # from a driver's own deadline to the lease's end, to store and finish
