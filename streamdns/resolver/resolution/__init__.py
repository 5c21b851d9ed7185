"""One resolution as a state machine, and what it knows: pure, fed with responses, says what to ask next."""
