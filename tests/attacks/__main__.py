"""`python -m tests.attacks NAME --port=N`: one attack against a server on 127.0.0.1."""

from __future__ import annotations

import argparse
import pathlib
import sys

from tests.attacks import NAMES, load
from tests.attacks.target import Target


def main() -> int:
    """Run it; what was counted is printed as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--port", type=int, required=True, help="where it answers DNS")
    parser.add_argument("--admin-port", type=int, default=0, help="where its admin API is")
    parser.add_argument("--log", type=pathlib.Path, help="the file log that it reads")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0, help="datagrams or requests a second (as fast as it goes)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    target = Target(given.port, given.admin_port, given.log, given.seconds, given.rate, given.seed)
    try:
        load(given.name).run(target)
    except KeyboardInterrupt:
        pass
    target.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
