"""What the operations of the API cost in calls of AWS, capacity units and round trips."""

# First of all, as it sets the environment that the application reads when it is imported.
import tests.conftest  # noqa: F401
