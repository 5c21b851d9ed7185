"""`python -m tests.harness.scenarios [NAME ...]`: play the scenarios and print the results as JSON.

With --write all are played and docs/resolver-peers.md is made of it.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile

from tests.harness.scenarios.network import NoNetwork
from tests.harness.scenarios.page import PAGE, page, unexplained
from tests.harness.scenarios.run import run
from tests.harness.scenarios.table import SCENARIOS

#: The exit code where there is no network to play in.
CANNOT = 77
_TIMES = 3


def main() -> int:
    """Play them all, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.scenarios", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these scenarios")
    parser.add_argument("--folder", type=pathlib.Path, help="where the servers' files go, and stay")
    parser.add_argument("--write", action="store_true", help=f"play all and write docs/{PAGE.name}")
    options = parser.parse_args()
    if options.write and options.names:
        parser.error("the page has all scenarios: --write takes no names")
    with tempfile.TemporaryDirectory(prefix="scenarios-") as made:
        try:
            report = run(options.folder or pathlib.Path(made), options.names)
            # What comes of load is not there again when few are played.
            for number in range(_TIMES if options.write else 0):
                again = set().union(*unexplained(report, SCENARIOS))
                if again:
                    report.replace(run(pathlib.Path(made) / str(number), sorted(again)))
        except NoNetwork as error:
            print(error, file=sys.stderr)
            return CANNOT
    if not options.write:
        print(report.to_json())
        return 0
    absent = {**report.missing, **report.left_out}
    if absent or report.faults:
        print("\n".join([*absent.values(), *report.faults]), file=sys.stderr)
        return 1
    PAGE.write_text(page(report, SCENARIOS), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
