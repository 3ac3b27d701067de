"""Deploy Darkroom to AWS, and delete deployments."""
