"""Sources: the logs that events are read from, behind one protocol."""
