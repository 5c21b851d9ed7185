"""Files that commands and a server share: nobody waits for ever, and what cannot be written names its file."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from streamdns.admin.access import files


def test_a_lock_that_somebody_keeps_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that was stopped by Ctrl-Z may hold it, and who waits may be a server's event loop."""
    monkeypatch.setattr(files, "_LOCK_PATIENCE_S", 0.1)
    path = str(tmp_path / "revoked.json")
    holder = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    # Should it wait for ever, the test does not.
    rescue = threading.Timer(30, fcntl.flock, (holder, fcntl.LOCK_UN))
    rescue.start()
    try:
        with pytest.raises(OSError, match="another process has had its lock") as caught, files.changing(path):
            pass
        assert caught.value.filename == path
    finally:
        rescue.cancel()
        rescue.join()
        os.close(holder)
    with files.changing(path):
        files.replace(path, b"{}")
    assert (tmp_path / "revoked.json").read_bytes() == b"{}"


def test_what_the_kernel_says_of_a_number_is_said_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = str(tmp_path / "users")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        files.replace(path, b"alice")
    assert caught.value.filename == path
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed_neither_for_the_lock_nor_for_the_new_file(tmp_path: Path) -> None:
    """Who may write in the directory can lay links under the names that are used there."""
    target, path = tmp_path / "target", str(tmp_path / "revoked.json")
    target.write_text("secret")
    for suffix in (".new", ".lock"):
        os.symlink(target, path + suffix)
    with pytest.raises(OSError, match="is a symbolic link") as caught, files.changing(path):
        pass
    assert caught.value.filename == f"{path}.lock"
    os.unlink(f"{path}.lock")
    with files.changing(path):
        files.replace(path, b"{}")
    assert (target.read_text(), Path(path).read_bytes()) == ("secret", b"{}")
    os.unlink(f"{path}.lock")
    os.link(target, f"{path}.lock")
    with pytest.raises(OSError, match="is no file of its own"), files.changing(path):
        pass


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = str(tmp_path / "users")
    left, foreign = tmp_path / f"users.{'0af3' * 4}.new", tmp_path / "users.mine.new"
    for each in (left, foreign):
        each.write_text("half")
    with files.changing(path):
        files.replace(path, b"alice")
    assert {each.name for each in tmp_path.iterdir()} == {"users", "users.lock", "users.mine.new"}


def test_a_lock_remembers_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "users")
    assert not files.was_there(path)
    with files.changing(path) as lock:
        assert not files.was_there(path)
        lock.remember()
    assert files.was_there(path)


def test_a_file_that_has_to_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "users")
    assert files.Watched(path, bytes).get() == b""
    with pytest.raises(FileNotFoundError):
        files.Watched(path, bytes, may_be_missing=False).get()
