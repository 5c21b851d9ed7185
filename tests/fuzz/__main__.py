"""`python -m tests.fuzz [TARGET ...]`: fuzz each target in turn, with atheris, and print what came of it.

--runs=N gives so many inputs to all of them together, --seconds=N so much time; each target has its share. What was
found is printed as a command that shows it again. --keep adds inputs that reach new branches to corpus/.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from tests.fuzz import corpus
from tests.fuzz.targets import NAMES
from tests.harness import ROOT

#: Shares of the inputs, by how many of them a target takes in a second.
RUNS_SHARE = {"answers": 20, "edns": 8, "replies": 16, "resolution": 2, "events": 14, "filelog": 6, "master": 2,
              "http": 18, "kafka": 14}


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one target."""

    runs: int
    seconds: float
    branches: int
    inputs: int
    found: list[str]


def one(name: str, folder: pathlib.Path, *, runs: int, seconds: float, seed: int, keep: bool) -> Came:
    """Fuzz one target in a process of its own, and check all that reached new branches wholly."""
    command = [sys.executable, "-m", "tests.fuzz.engine", name]
    began = time.monotonic()
    (folder / name).mkdir(parents=True)
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [*command, str(folder / name), f"--runs={runs}", f"--seconds={seconds}", f"--seed={seed}"],
            cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False,
            # A seed stands for the same inputs also where they come from sets.
            env=os.environ | {"PYTHONHASHSEED": str(seed % (1 << 32))},
        )
    took_s = time.monotonic() - began
    text = log.read_text(encoding="utf-8", errors="replace")
    reached = sorted(folder.joinpath(name, "corpus").glob("*"))
    found = [path.read_bytes().hex() for path in sorted((folder / name).glob("found-*"))]
    if reached:
        checked = subprocess.run([*command, "--folder-of-inputs", str(folder / name / "corpus")], cwd=ROOT,
                                 capture_output=True, text=True, check=False)
        text += checked.stdout
        found += re.findall(rf"^{name}: ([0-9a-f]+)$", checked.stdout, re.MULTILINE)
    if found or done.returncode:
        print(text[-6000:])
        found = found or [f"(exit code {done.returncode})"]
    if keep:
        corpus.keep(name, [path.read_bytes() for path in reached])
    runs_done = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    branches = re.findall(r"\bcov: (\d+)", text)
    count = int(runs_done[1]) if runs_done else 0
    return Came(count, took_s, int(branches[-1]) if branches else 0, len(reached), found)


def main() -> int:
    """Run it; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(NAMES)}; by default all")
    parser.add_argument("--runs", type=int, default=0, help="inputs of all targets together")
    parser.add_argument("--seconds", type=float, default=0, help="time of all targets together (60 without --runs)")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", action="store_true", help="add what reaches new branches to corpus/")
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in NAMES]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; there are {', '.join(NAMES)}")
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install -r requirements-fuzz.txt, or make fuzz", file=sys.stderr)
        return 2
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1, 1 << 31)
    names = given.targets or list(NAMES)
    seconds = given.seconds or (0 if given.runs else 60)
    print(f"seed {seed} (again: --seed={seed})", flush=True)
    total, failed = 0, False
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as path:
        for name in names:
            share = RUNS_SHARE[name] / sum(RUNS_SHARE[each] for each in names)
            came = one(name, pathlib.Path(path), runs=int(given.runs * share) if given.runs else -1,
                       seconds=seconds / len(names), seed=seed, keep=given.keep)
            total += came.runs
            print(f"{name}: {came.runs:,} inputs in {came.seconds:.0f} s, {came.branches} branches, "
                  f"{came.inputs} inputs reached new ones, {len(came.found)} found", flush=True)
            for each in came.found:
                failed = True
                print(f"  again: python -m tests.fuzz.engine {name} --input {each}")
    print(f"{total:,} inputs in all: {'something was found' if failed else 'nothing was found'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
