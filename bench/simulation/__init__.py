"""Simulate what idle timeouts and fleets cost, with the product's own decisions."""
