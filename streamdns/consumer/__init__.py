"""The consumer: the service that reads the log, applies its events to the view, and rebuilds the view when needed."""
