"""The DNS services: they read queries from UDP and TCP sockets, apply the rules of dns/, and send the answers."""
