"""Kafka as a source and a sink of events: pykafka reads from brokers up to 3.x, confluent-kafka from all."""
