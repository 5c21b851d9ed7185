"""The view: the current state of all zones in LMDB, a pure function of the log."""
