"""Several nodes: asking others, comparing them with this one, and checking one's own digests."""
