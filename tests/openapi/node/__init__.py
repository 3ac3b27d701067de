"""Tools of Node.js read the OpenAPI document."""
