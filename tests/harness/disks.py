"""File systems of their own for tests: small ones that get full, such as turn read-only, and one that can fail."""

from __future__ import annotations

import errno
import pathlib
import shutil
import subprocess

import pytest


class Disk:
    """A file system that is mounted at `path` until unmount(); needs root."""

    def __init__(self, path: pathlib.Path) -> None:
        path.mkdir()
        self.path = path
        self._image = path.with_name(f"{path.name}.image")

    def mount_small(self, size: str) -> None:
        """Mount an empty one in memory; skip where that cannot be done."""
        self._run("mount", "-t", "tmpfs", "-o", f"size={size}", "streamdns-test", str(self.path))

    def make(self) -> None:
        """Make an empty one in a file, for mount()."""
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("mkfs.ext4 is not installed")
        with self._image.open("wb") as file:
            file.truncate(16 << 20)
        self._run("mkfs.ext4", "-q", str(self._image))

    def remount(self, options: str) -> None:
        """Change how it is mounted."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True)

    def mount(self) -> None:
        """Mount the file, in which an error makes the kernel refuse every write; skip where that cannot be done."""
        self._run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.path))

    def fail(self) -> None:
        """Have the kernel find an error in the file system."""
        (device,) = (line.split()[0] for line in pathlib.Path("/proc/mounts").read_text().splitlines()
                     if line.split()[1] == str(self.path))
        pathlib.Path("/sys/fs/ext4", pathlib.Path(device).name, "trigger_fs_error").write_text("a test")

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run(["umount", "-l", str(self.path)], check=True)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {command[0]}: {done.stderr.strip()}")


def fill_disk(path: pathlib.Path) -> None:
    """Write a file until there is no room for another octet."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as err:
            assert err.errno == errno.ENOSPC
