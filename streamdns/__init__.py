"""streamdns: an authoritative DNS server and resolver whose zones are events in a log."""

__version__ = "0.1.0"
