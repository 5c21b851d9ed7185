"""The resolution of one question as a state machine without I/O: it is fed responses and says what to ask next."""
