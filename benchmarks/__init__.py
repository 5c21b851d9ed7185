"""Measurements of streamdns beside other name servers; docs/benchmarks.md says how to run them and what they mean."""
