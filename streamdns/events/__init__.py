"""Events: their format, the consumer that applies them, and the logs they come from."""
