"""The consumer: the service that reads a source and has its events applied to the view, rebuilds included."""
