"""The fleet table: GPU instances, and the tries to start them."""
