"""Several nodes: asking others, comparing them with this one, and checking this node's digests."""
