"""The terminal console of streamdns: it watches servers through their admin API and needs none of the server's parts."""
