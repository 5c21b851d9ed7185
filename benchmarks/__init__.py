"""Measures streamdns against other name servers; docs/benchmarks.md says how to run this and what the figures mean."""
