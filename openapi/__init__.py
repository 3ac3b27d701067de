"""The OpenAPI document, made of the routes and of their types."""
