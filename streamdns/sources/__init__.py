"""The logs that events come from, each behind the protocol of base.py: a file, Kafka, Pulsar."""
