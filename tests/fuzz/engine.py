"""`python -m tests.fuzz.engine TARGET FOLDER …`: one target under atheris (libFuzzer), in a process of its own.

What guides it are the branches of the packages that the target names; half of the mutations are libFuzzer's, half the
target's own. The seeds and what was kept of earlier runs are checked first, wholly, then one input in so many.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import sys
import traceback

from tests.fuzz import corpus
from tests.fuzz.targets import NAMES, Target, load

#: One input of so many has the oracles that take long, too.
WHOLE_EVERY = 32
_OWN_MUTATIONS = 0.5
_RSS_MB, _HANGS_S = 1024, 300


def seed_folder(name: str, target: Target, folder: pathlib.Path, *, seed: int) -> int:
    """Write the seeds and the kept inputs of a target, a file each; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {*target.seeds(random.Random(seed)), *corpus.kept(name)}
    for number, each in enumerate(sorted(inputs)):
        (folder / f"seed-{number:05}").write_bytes(each)
    return len(inputs)


def replay(name: str, inputs: list[bytes]) -> int:
    """Check inputs wholly, without any engine; how many fail."""
    target, failed = load(name), 0
    for each in inputs:
        try:
            target.check(each, whole=True)
        except Exception:
            failed += 1
            print(f"{name}: {each.hex()}\n{traceback.format_exc()}", flush=True)
    return failed


def fuzz(name: str, folder: pathlib.Path, *, runs: int, seconds: float, seed: int) -> None:
    """Fuzz; it ends the process: 0, or 77 with the input in the folder where something was found."""
    import atheris

    sys.argv = sys.argv[:1]
    with atheris.instrument_imports(include=list(_include(name)), enable_loader_override=False):
        target = load(name)
    whole_first = seed_folder(name, target, folder / "seeds", seed=seed)
    most, count = target.MOST_OCTETS, 0

    def one(data: bytes) -> None:
        nonlocal count
        count += 1
        target.check(data, whole=count <= whole_first or count % WHOLE_EVERY == 0)

    def mutate(data: bytes, most_octets: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.random() < _OWN_MUTATIONS:
            return target.mutated(data, rng)[:most_octets]
        return bytes(atheris.Mutate(data, most_octets))

    (folder / "corpus").mkdir(exist_ok=True)
    atheris.Setup(
        [sys.argv[0], str(folder / "corpus"), str(folder / "seeds"), f"-runs={runs}", f"-seed={seed}",
         f"-max_total_time={int(seconds)}", f"-max_len={most}", f"-artifact_prefix={folder}/found-",
         f"-rss_limit_mb={_RSS_MB}", f"-timeout={_HANGS_S}", f"-report_slow_units={_HANGS_S}",
         "-print_final_stats=1", "-len_control=0"],
        one, custom_mutator=mutate,
    )
    atheris.Fuzz()


def _include(name: str) -> tuple[str, ...]:
    """The packages of a target, read from its text: it may not be imported before they are instrumented."""
    text = pathlib.Path(__file__).with_name("targets").joinpath(f"{name}.py").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("INCLUDE = "))
    return tuple(each for each in line.split('"')[1::2])


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.engine", description=__doc__)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("folder", type=pathlib.Path, nargs="?", help="where corpus and findings go")
    parser.add_argument("--runs", type=int, default=-1, help="how many inputs (no limit)")
    parser.add_argument("--seconds", type=float, default=0, help="how long (no limit)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--input", action="append", default=[], metavar="HEX", help="check this input and end")
    parser.add_argument("--folder-of-inputs", type=pathlib.Path, help="check each file of this folder and end")
    given = parser.parse_args()
    inputs = [bytes.fromhex(each) for each in given.input]
    if given.folder_of_inputs is not None:
        inputs += [path.read_bytes() for path in sorted(given.folder_of_inputs.iterdir())]
    if inputs or given.folder is None:
        failed = replay(given.target, inputs or corpus.kept(given.target))
        print(f"{given.target}: {failed} failed")
        return 1 if failed else 0
    fuzz(given.target, given.folder, runs=given.runs, seconds=given.seconds, seed=given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
