"""Tests of streamdns; a regular package, so that no installed package of the same name can take its place.

Those in one process see what Python does with every event; servers under test run as they are installed.
"""

from tests.in_python import hide

hide()
