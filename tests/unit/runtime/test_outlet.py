"""Descriptors that nobody reads keep nobody waiting, whatever they are; log lines are kept, then lost and counted."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streamdns.runtime.log_lines import LogLines
from streamdns.runtime.outlet import Outlet

KINDS = ("pipe", "fifo without a reader at first", "terminal", "stream socket", "datagram socket")


class Ends:
    """What is written to, and what reads it."""

    def __init__(self, writer: int, reader: int) -> None:
        self.writer, self.reader = writer, reader
        os.set_blocking(reader, False)

    def read_octets(self, number: int) -> bytes:
        """So many octets; a terminal hands them over a little later."""
        found = b""
        deadline_s = time.monotonic() + 20
        while len(found) < number and time.monotonic() < deadline_s:
            select.select([self.reader], [], [], 1)
            found += self.read()
        return found

    def read(self) -> bytes:
        """All that is there."""
        found = b""
        while True:
            try:
                piece = os.read(self.reader, 1 << 16)
            except BlockingIOError:
                return found
            if not piece:
                return found
            found += piece


@pytest.fixture(params=KINDS)
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ends]:
    with ExitStack() as stack:
        if request.param == "pipe":
            reader, writer = os.pipe()
        elif request.param == "terminal":
            reader, writer = pty.openpty()
            tty.setraw(writer)
        elif request.param.startswith("fifo"):
            # While nobody reads it, it cannot be opened again: the descriptor itself has to do.
            path = tmp_path / "fifo"
            os.mkfifo(path)
            first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            writer = os.open(path, os.O_WRONLY)
            os.close(first)
            made = Outlet(writer)
            with pytest.raises(BrokenPipeError):
                made.write(b"x")
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            stack.callback(made.close)
        else:
            kind = socket.SOCK_STREAM if request.param == "stream socket" else socket.SOCK_DGRAM
            pair = socket.socketpair(socket.AF_UNIX, kind)
            reader, writer = (one.detach() for one in pair)
        stack.callback(os.close, reader)
        stack.callback(os.close, writer)
        yield Ends(writer, reader)


def in_time(stack: ExitStack, ends: Ends) -> None:
    """A write that waits for ever ends with the test and not never: somebody reads then."""
    timer = threading.Timer(30, ends.read)
    timer.start()
    stack.callback(timer.join)
    stack.callback(timer.cancel)


def filled(outlet: Outlet) -> int:
    """Write until there is no room; how much that was."""
    written = 0
    for _ in range(100_000):
        try:
            written += outlet.write(b"x" * 1000)
        except BlockingIOError:
            return written
    raise AssertionError("it never fills")


def test_a_full_one_is_an_error_and_not_a_wait(ends: Ends) -> None:
    with ExitStack() as stack:
        in_time(stack, ends)
        outlet = Outlet(ends.writer)
        stack.callback(outlet.close)
        written = filled(outlet)
        assert written
        assert os.get_blocking(ends.writer), "who shares the descriptor has it as it was"
        assert len(ends.read_octets(written)) == written
        assert outlet.write(b"again") == 5
        assert ends.read_octets(5) == b"again"


def test_lines_are_kept_then_lost_and_none_is_torn(ends: Ends) -> None:
    with ExitStack() as stack:
        in_time(stack, ends)
        lines = LogLines(ends.writer, most_lines=50)
        stack.callback(lines.close)
        # Of various lengths, so that room ends in the middle of one.
        sent = [json.dumps({"number": number, "filler": "x" * (number * 37 % 900)}).encode() for number in range(5000)]
        for line in sent:
            lines.put(line + b"\n")
        assert lines.lost
        assert lines.untold() == 0, "it is told when somebody reads"
        got = ends.read()
        while not lines.flush():
            got += ends.read()
        deadline_s = time.monotonic() + 20
        while got.count(b"\n") < len(sent) - lines.lost and time.monotonic() < deadline_s:
            got += ends.read_octets(1)
        found = got.splitlines()
        assert len(found) == len(sent) - lines.lost
        # Each whole, and in their order.
        assert sorted(found, key=sent.index) == found
        assert lines.untold() == lines.lost
        assert lines.untold() == 0
        lines.put(b"after\n")
        assert ends.read_octets(6) == b"after\n"


def test_a_reader_that_is_gone_is_told_of_what_was_lost_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)
    lines = LogLines(writer)
    try:
        lines.put(b"one\n")
        assert os.read(reader, 100) == b"one\n"
        os.close(reader)
        for _ in range(3):
            lines.put(b"nobody\n")
        assert (lines.lost, lines.untold()) == (3, 0)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        lines.put(b"two\n")
        assert os.read(reader, 100) == b"two\n"
        assert lines.untold() == 3
    finally:
        lines.close()
        os.close(writer)
        os.close(reader)


def test_a_full_disk_keeps_what_it_can(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    lines = LogLines(full, most_lines=10)
    try:
        for number in range(25):
            lines.put(b"%d\n" % number)
        assert lines.lost == 15
        assert not lines.flush()
    finally:
        os.close(full)


def test_threads_that_write_at_once_lose_nothing() -> None:
    reader, writer = os.pipe()
    lines = LogLines(writer, most_lines=2000)
    threads = [
        threading.Thread(target=lambda one: [lines.put(b"%d %d\n" % (one, n)) for n in range(300)], args=(one,))
        for one in range(4)
    ]
    got = bytearray()
    try:
        for thread in threads:
            thread.start()
        while any(each.is_alive() for each in threads) or not lines.flush() or select.select([reader], [], [], 0)[0]:
            if select.select([reader], [], [], 0.01)[0]:
                got += os.read(reader, 1 << 16)
    finally:
        for thread in threads:
            thread.join()
        lines.close()
        os.close(reader)
        os.close(writer)
    found = bytes(got).splitlines()
    assert lines.lost == 0
    for one in range(4):
        assert [line for line in found if line.startswith(b"%d " % one)] == [b"%d %d" % (one, n) for n in range(300)]
