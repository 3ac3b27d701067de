"""Count what operations of the API cost: AWS calls, capacity units and round trips."""

# First, because it sets the environment that the application reads when it is imported.
import tests.conftest  # noqa: F401
