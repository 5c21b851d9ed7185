"""The view: the current records of all zones in LMDB, computed from nothing but the log."""
