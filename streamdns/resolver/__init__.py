"""The iterative resolver: names that are not ours, found by asking those whose they are."""
