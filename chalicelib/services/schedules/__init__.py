"""When schedules run: the expressions of EventBridge Scheduler, read as AWS reads them."""
