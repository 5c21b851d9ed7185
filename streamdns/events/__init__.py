"""The event contract: the records that logs hold, and how one is decoded to an RRset or rejected."""
