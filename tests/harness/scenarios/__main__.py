"""`python -m tests.harness.scenarios [NAME ...]`: play the scenarios and print what came of them as JSON."""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile

from tests.harness.scenarios.network import NoNetwork
from tests.harness.scenarios.run import run

#: The exit code where there is no network to play in.
CANNOT = 77


def main() -> int:
    """Play them all, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.scenarios", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these scenarios")
    parser.add_argument("--folder", type=pathlib.Path, help="where the servers' files go, and stay")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scenarios-") as made:
        try:
            report = run(options.folder or pathlib.Path(made), options.names)
        except NoNetwork as error:
            print(error, file=sys.stderr)
            return CANNOT
    print(report.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
