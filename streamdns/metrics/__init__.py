"""Metrics: the catalogue, the registry that counts, and the outputs that send."""
