"""The terminal console of streamdns: it watches servers through their admin API and needs no part of the server."""
