"""Kafka as a source and a sink of events: pykafka for brokers up to 3.x, confluent-kafka for all."""
