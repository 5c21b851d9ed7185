"""Mutation tests: the pure modules are changed in small ways, one at a time, and a unit test has to fail each time."""
