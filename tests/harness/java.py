"""What the real brokers have in common: Maven names their jars, and each runs as one Java process in a folder."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Self

from tests.harness.process import ROOT, clean_environment, end, spawn, wait_until

_TAKEN = "Address already in use"


def missing(variable: str) -> str:
    """Why no broker can run here that this variable asks for, or nothing."""
    if os.environ.get(variable) != "1":
        return f"needs {variable}=1 (real brokers are started)"
    return not_installed()


def not_installed() -> str:
    """What a broker needs and is not here, or nothing."""
    absent = [program for program in ("java", "mvn", "openssl") if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def class_path(name: str, version: str) -> str:
    """The jars of a broker, kafka or pulsar; Maven resolves them once for each version."""
    cached = ROOT / "var" / name / f"class-path-{version}.txt"
    if not cached.exists() or not all(map(os.path.exists, cached.read_text().strip().split(os.pathsep))):
        cached.parent.mkdir(parents=True, exist_ok=True)
        part = cached.with_suffix(f".{os.getpid()}")
        pom = pathlib.Path(__file__).with_name(f"{name}-pom.xml")
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(pom), "dependency:build-classpath", f"-Dbroker.version={version}",
             f"-Dmdep.outputFile={part}"],
            check=True, stdout=subprocess.DEVNULL, timeout=600,
        )
        part.rename(cached)
    return cached.read_text().strip()


class JavaBroker:
    """One broker process; a context manager. kill() and start() keep ports, data and identity."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.folder, self._name = folder, name
        self.process: subprocess.Popen[bytes] | None = None
        self._begun_at = 0
        folder.mkdir(parents=True, exist_ok=True)

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def _ready(self) -> bool:
        raise NotImplementedError

    def file(self, name: str) -> str:
        """The path of a certificate or key, see certificates.py."""
        return str(self.folder / name)

    def written(self) -> str:
        """The end of what the broker wrote."""
        return (self.folder / "output.txt").read_text(errors="replace")[-5000:]

    def start(self) -> Self:
        """Start, or start again; returns when the broker serves."""
        self.begin()
        self.wait_ready()
        return self

    def begin(self) -> None:
        """Start without waiting."""
        with (self.folder / "output.txt").open("ab") as output:
            self._begun_at = output.tell()
            self.process = spawn(
                list(self._command()),
                # Ctrl-C in a terminal is for who started it: the broker stays until it is told to end.
                env=clean_environment({}), output=output, cwd=self.folder, own_group=True,
            )

    def wait_ready(self, *, timeout_s: float = 180.0) -> None:
        """Return when the broker serves."""
        assert self.process is not None, "not started"
        try:
            wait_until(self._ended_or_ready, f"{self._name} is ready", timeout_s=timeout_s, interval_s=0.05)
            assert self.process.poll() is None, f"{self._name} ended"
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.written()}") from None

    def _ended_or_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is None:
            return self._ready()
        with (self.folder / "output.txt").open(errors="replace") as output:
            output.seek(self._begun_at)
            taken = _TAKEN in output.read()
        if taken:
            self.begin()  # While it was away somebody else had one of its ports.
        return not taken

    def kill(self) -> None:
        """kill -9: the data stay as they were left."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end."""
        self._end(signal.SIGTERM)

    def _end(self, signum: int) -> None:
        process, self.process = self.process, None
        if process is not None:
            end(process, signum=signum, timeout_s=30)

    def _write(self, name: str, properties: Mapping[str, object]) -> None:
        lines = "".join(f"{key}={value}\n" for key, value in properties.items())
        (self.folder / name).write_text(lines)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.kill()
