"""Schemathesis and generated clients try the OpenAPI document on a deployment."""
