"""Metrics: one catalogue, one registry, and the outputs that read it."""
