"""What a bad event leaves behind in memory: nothing, without any search for garbage."""

from __future__ import annotations

import gc
import tracemalloc

from streamdns.events.batch import Record
from streamdns.view.writer import _decoded

MIB = 1 << 20


def test_the_payloads_of_bad_events_are_given_back_at_once() -> None:
    """Batches of values of 1 MiB that are no JSON came to hundreds of megabytes before garbage was looked for."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for turn in range(20):
            records = [Record("zones", 0, turn, 0, b"a.|A", b" " * MIB) for _ in range(3)]
            assert len(_decoded(records, 60, None)) == 3
        del records
        assert tracemalloc.get_traced_memory()[0] < 5 * MIB
    finally:
        tracemalloc.stop()
        gc.enable()
