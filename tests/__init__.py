"""Tests of streamdns; a regular package, so that no installed package of the same name can take its place."""
