"""`python -m tests.mutants [GROUP ...]`: change the pure modules in small ways, one at a time, and see that a unit test
fails each time. All of it takes hours.

With --sample few mutants of one group are played, within --seconds. Those that cannot be told from the original are in
equivalent.txt, with the reason.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import sys

from tests.mutants.groups import GROUPS
from tests.mutants.run import Found, change, found, prepare, run

EQUIVALENT = pathlib.Path(__file__).with_name("equivalent.txt")
#: Of 100 mutants tests kill so many at least; a sample of few may fall below it by chance.
LEAST, LEAST_OF_SAMPLE = 90.0, 70.0
#: A sample of fewer says nothing.
LEAST_SAMPLED = 30
_NUMBERS = range(1, 25)
_SAMPLED = 4


def equivalent() -> dict[str, str]:
    """Changes that make no difference to anybody, as "function: old -> new", and why."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return {change: reason.strip() for change, reason in pairs}


def function_of(mutant: str) -> str:
    """`streamdns.dns.name.to_text` of a mutant's name."""
    module, _, name = mutant.rpartition("__mutmut_")[0].rpartition(".")
    # xǁClassǁmethod or x_function
    return f"{module}.{name[2:].replace('ǁ', '.')}"


def report(name: str, result: Found, lives: list[str], same: int) -> float:
    """Print what came of a group; the share that was killed of those that make a difference, in percent."""
    counted = len(result) - same
    share = 100.0 * len(result.killed) / counted if counted else 0.0
    print(f"{name}: {len(result)} mutants, killed {len(result.killed)}, equivalent {same}, "
          f"survived {len(lives)}: {share:.1f} %", flush=True)
    for each in lives:
        print(f"  {each}")
    return share


def main() -> int:
    """Run it; 0 when enough were killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of {', '.join(GROUPS)}; by default all")
    parser.add_argument("--sample", action="store_true", help="few mutants, of one group unless some are named")
    parser.add_argument("--seed", type=int, default=None, help="which ones")
    parser.add_argument("--seconds", type=float, default=None, help="end after so long, with what is known by then")
    options = parser.parse_args()
    unknown = [name for name in options.groups if name not in GROUPS]
    if unknown:
        parser.error(f"there is no group {unknown[0]}; there are {', '.join(GROUPS)}")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    rng = random.Random(seed)
    any_of = sorted(name for name, group in GROUPS.items() if group.sampled)
    names = options.groups or ([rng.choice(any_of)] if options.sample else list(GROUPS))
    patterns = [f"*__mutmut_{number}" for number in rng.sample(_NUMBERS, _SAMPLED)] if options.sample else []
    if options.sample:
        print(f"seed {seed} (again: --sample --seed {seed}): {', '.join(names)}, {' '.join(patterns)}", flush=True)
    known, good = equivalent(), True
    for name in names:
        folder = prepare(name, GROUPS[name])
        failed = run(folder, patterns, most_s=options.seconds)
        if failed:
            print(failed, file=sys.stderr)
            return 1
        result = found(folder)
        if not len(result):
            print(f"{name}: there was no time for any mutant")
            continue
        lives = [f"{function_of(each)}: {change(folder, each)}" for each in (*result.survived, *result.untouched)]
        noticed = [each for each in lives if each not in known]
        share = report(name, result, noticed, len(lives) - len(noticed))
        if options.sample and len(result) < LEAST_SAMPLED:
            print(f"{name}: too few to judge by")
        else:
            good = good and share >= (LEAST_OF_SAMPLE if options.sample else LEAST)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
