"""The services that carry the rules to clients: sockets in, answers out, over UDP and TCP."""
