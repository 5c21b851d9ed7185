"""`python -m tests.mutants [GROUP ...]`: change the pure modules in small ways, one at a time, and see that a unit test
fails each time. All of it takes some hours.

With --sample few of the changes of one group are played, within --seconds; with --again those alone that no test has
noticed the last time, for the sake of tests that were added since. Those that cannot be told from the original are in
equivalent.txt, with the reason.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mutants.changes import ROOT, Change, Finder
from tests.mutants.groups import GROUPS, Group, equivalent, is_equivalent, outdated
from tests.mutants.play import KILLED, SURVIVED, TIMED_OUT, UNTOUCHED, Outcome, Play

WORK = ROOT / "build" / "mutants"
#: Of 100 changes tests notice so many at least; a sample of few may fall below it by chance (Group.least_of_sample).
LEAST = 90.0
#: A sample of fewer says nothing.
LEAST_SAMPLED = 100


def play(group: Group, file: Path, *, seed: int, until_s: float, jobs: int, only: Sequence[str]) -> None:
    """Play the changes of a group in a random order, in a process of its own: outcomes go to `file`, which may have
    some already.
    """
    finder = Finder(group.modules)
    sys.meta_path.insert(0, finder)
    played = {outcome.change for outcome in outcomes(file)}
    changes = [change for change in finder.changes if change not in played
               and (not only or any(each in change.function for each in only))]
    random.Random(seed).shuffle(changes)
    known = equivalent()
    for each in outdated(((change.function, change.what) for change in finder.changes), known):
        print(f"listed as equivalent, and not made any more: {each}", flush=True)
    options = ["-q", "-s", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"]
    deselected = [f"--deselect={each}" for each in group.left_out]
    sys.exit(pytest.main(
        [*options, "-W", "ignore::pytest.PytestAssertRewriteWarning", "--no-summary", *group.tests, *deselected],
        plugins=[Play(changes, file, until_s=until_s, jobs=jobs,
                      is_known=lambda change: is_equivalent(change.function, change.what, known))],
    ))


def outcomes(file: Path) -> list[Outcome]:
    """What came of the changes that were played."""
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines()) if file.exists() else ()
    return [Outcome(Change(*change), how, by) for change, how, by in lines]


def report(name: str, result: Sequence[Outcome]) -> float:
    """Print what came of a group; the share that was noticed of those that make a difference, in percent."""
    known = equivalent()
    lives = [each for each in result if each.how in (SURVIVED, UNTOUCHED)]
    unnoticed = [each for each in lives if not is_equivalent(each.change.function, each.change.what, known)]
    late = sum(each.how == TIMED_OUT for each in result)
    counted = len(result) - len(lives) + len(unnoticed)
    share = 100.0 * (counted - len(unnoticed)) / counted if counted else 0.0
    print(f"{name}: {len(result)} changes, noticed {len(result) - len(lives)} (of them by time-out {late}), "
          f"equivalent {len(lives) - len(unnoticed)}, unnoticed {len(unnoticed)}: {share:.1f} %", flush=True)
    for each in sorted(unnoticed):
        print(f"  {each.change}{' (called by no test)' if each.how == UNTOUCHED else ''}")
    return share


def main() -> int:
    """Run it; 0 when enough were noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of {', '.join(GROUPS)}; by default all")
    parser.add_argument("--sample", action="store_true", help="some changes, of one group unless some are named")
    parser.add_argument("--again", action="store_true", help="those that were not noticed the last time")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="functions whose name has it")
    parser.add_argument("--seed", type=int, default=None, help="which ones")
    parser.add_argument("--seconds", type=float, default=None, help="end after so long, with what is known by then")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time (2)")
    options = parser.parse_args()
    unknown = [name for name in options.groups if name not in GROUPS]
    if unknown:
        parser.error(f"there is no group {unknown[0]}; there are {', '.join(GROUPS)}")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    names = options.groups or ([random.Random(seed).choice(sorted(GROUPS))] if options.sample else list(GROUPS))
    print(f"seed {seed} (again: --seed {seed} {' '.join(names)})", flush=True)
    WORK.mkdir(parents=True, exist_ok=True)
    good = True
    for name in names:
        until_s = time.monotonic() + (options.seconds or float("inf"))
        file = WORK / f"{name}.jsonl"
        noticed = [each for each in outcomes(file) if each.how in (KILLED, TIMED_OUT)] if options.again else []
        file.write_text("".join(json.dumps(each) + "\n" for each in noticed), encoding="utf-8")
        arguments = {"seed": seed, "until_s": until_s, "jobs": options.jobs, "only": options.only}
        process = multiprocessing.get_context("fork").Process(target=play, args=(GROUPS[name], file), kwargs=arguments)
        process.start()
        process.join()
        result = outcomes(file)
        if process.exitcode:
            return 1
        share = report(name, result)
        if options.sample and len(result) < LEAST_SAMPLED:
            print(f"{name}: too few to judge by")
        else:
            good = good and share >= (GROUPS[name].least_of_sample if options.sample else LEAST)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
