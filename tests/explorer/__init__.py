"""The explorer: it runs every order of calls in small worlds, within bounds."""

import tests.environment  # noqa: F401 - it sets the environment from which the configuration is read
