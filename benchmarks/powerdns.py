"""Starts PowerDNS for measurements, with the zone in its SQLite database; caches are as they come."""

from __future__ import annotations

import pathlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.servers import CONNECTIONS, MeasuredPeer
from benchmarks.zone import ORIGIN
from tests.harness.peers import find_tool

_SCHEMA = pathlib.Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
#: Number of the zone (from 0), owner, type, content, TTL.
Row = tuple[int, str, str, str, int]


def write_database(path: pathlib.Path, apexes: Sequence[str], rows: Iterable[Row]) -> None:
    """Make the tables of PowerDNS with these zones and records; raises OSError where its schema is not installed."""
    with sqlite3.connect(path) as database:
        database.executescript(f"PRAGMA journal_mode = WAL; {_SCHEMA.read_text()}")
        database.executemany(
            "INSERT INTO domains (id, name, type) VALUES (?, ?, 'NATIVE')",
            ((number + 1, apex.rstrip(".")) for number, apex in enumerate(apexes)),
        )
        database.executemany(
            "INSERT INTO records (domain_id, name, type, content, ttl) VALUES (?, ?, ?, ?, ?)",
            ((zone + 1, owner.rstrip("."), rdtype, re.sub(r"\. |\.$", " ", content).strip(), ttl)
             for zone, owner, rdtype, content, ttl in rows),
        )
    database.close()


def _rows_of(zone_file: pathlib.Path) -> Iterator[Row]:
    """The records of a zone file that has one in each line, with everything written out."""
    with zone_file.open(encoding="ascii") as file:
        for line in file:
            owner, ttl, _, rdtype, content = line.rstrip("\n").split(" ", 4)
            yield 0, owner, rdtype, content, int(ttl)


class MeasuredPowerDns(MeasuredPeer):
    """PowerDNS with SQLite: one thread for queries, and otherwise as it comes, with its cache of answers."""

    name = "PowerDNS"
    program = "pdns_server"

    def __init__(self, folder: pathlib.Path, zones: Mapping[str, str]) -> None:
        super().__init__(folder, zones)
        self.database = folder / "zones.sqlite3"
        # Its control socket's path must be short.
        self._run_folder = ""

    def take(self, zone_file: pathlib.Path) -> None:
        """Write the records into the database."""
        super().take(zone_file)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_database(self.database, [ORIGIN], _rows_of(zone_file))

    def launch(self) -> None:
        """Start with a folder for the control socket."""
        self._run_folder = self._run_folder or tempfile.mkdtemp(prefix="pdns-")
        super().launch()

    def configuration(self) -> str:
        """pdns.conf, of which nothing is on the command line."""
        return (
            f"launch=gsqlite3\ngsqlite3-database={self.database}\nlocal-address=127.0.0.1\nlocal-port={self.port}\n"
            f"daemon=no\nguardian=no\nsocket-dir={self._run_folder}\nreceiver-threads=1\ndistributor-threads=1\n"
            f"max-tcp-connections={CONNECTIONS}\n"
            "loglevel=3\nsecurity-poll-suffix=\nwrite-pid=no\nversion-string=anonymous\n"
        )

    def command(self, config: pathlib.Path) -> list[str]:
        """It wants the folder, and a file pdns.conf in it."""
        (config.parent / "pdns.conf").write_bytes(config.read_bytes())
        return [str(find_tool(self.program)), f"--config-dir={config.parent}"]

    def stop(self) -> None:
        """End the process and remove its folder."""
        super().stop()
        if self._run_folder:
            shutil.rmtree(self._run_folder, ignore_errors=True)
            self._run_folder = ""
