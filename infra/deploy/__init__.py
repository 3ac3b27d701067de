"""Deploying to AWS, and removing what was deployed."""
