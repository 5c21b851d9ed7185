"""Queries to name servers over UDP and TCP, in callbacks of the event loop."""
