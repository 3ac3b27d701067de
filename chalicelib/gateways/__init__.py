"""Access to ComfyUI, EC2, S3 and SQS; `bootstrap` makes the clients and passes them in."""
