"""The Pulsar log: reads a topic with a native thread for each partition, and writes to it."""
