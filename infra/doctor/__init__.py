"""Look at an account, a region and a deployment, and change nothing."""
