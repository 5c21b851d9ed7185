"""Lets root work in a directory of another user's as that user: links that stand there lead root to no file of its own.

A service's user owns the directory of its state and may put anything there; commands run as root write there, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator

_MOST_LINKS = 40


@contextlib.contextmanager
def acting_as_owner(directory: str) -> Iterator[None]:
    """Work as the owner of a directory while the context lasts, where this process is root and the owner is not.

    The whole process does, so this is for commands, not for servers. Of a directory that is not there yet the one above
    it counts, and who has put a symbolic link into the way to a directory of root's. Raises OSError.
    """
    uid = _owner(directory) if os.geteuid() == 0 else 0
    if uid == 0:
        yield
        return
    gid, groups = os.getegid(), os.getgroups()
    try:
        name, own_gid, own_groups = _account(uid, directory)
        # In some containers nobody may change groups: then root's stay, which open little.
        with contextlib.suppress(PermissionError):
            os.setgroups(own_groups)
        os.setegid(own_gid)
        os.seteuid(uid)
        try:
            yield
        except PermissionError as err:
            reason = f"{err.strerror} to {name}, who owns its directory"
            raise PermissionError(err.errno, reason, err.filename) from err
    finally:
        os.seteuid(0)
        os.setegid(gid)
        with contextlib.suppress(PermissionError):
            os.setgroups(groups)


def has_one_name(found: os.stat_result) -> bool:
    """Return whether this is a regular file with one name only; a second one (a hard link) could be any file's."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def open_unlinked(path: str, flags: int, mode: int = 0o600) -> int:
    """Open a file, but neither follow a symbolic link nor wait for a pipe; raises OSError that says so."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as err:
        if err.errno != errno.ELOOP:
            raise
        raise OSError(err.errno, "is a symbolic link, which is not followed here", path) from err


def _owner(directory: str) -> int:
    """Return the uid of who has the say in a directory."""
    links = 0
    owner = links_owner = 0
    at, left = "/", _parts(os.path.join(os.getcwd(), directory))
    while left:
        part = left.pop()
        if part == "..":
            at = os.path.dirname(at)
            continue
        here = os.path.join(at, part)
        try:
            found = os.lstat(here)
        except FileNotFoundError:
            break
        if not stat.S_ISLNK(found.st_mode):
            at, owner = here, found.st_uid
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), directory)
        links_owner = found.st_uid or links_owner
        target = os.readlink(here)
        at = "/" if target.startswith("/") else at
        left += _parts(target)
    return owner or links_owner


def _parts(path: str) -> list[str]:
    """Return the names in a path, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _account(uid: int, directory: str) -> tuple[str, int, list[int]]:
    """Return the name, the group and all groups of a user; of one without an account, the directory's group."""
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        gid = os.stat(directory).st_gid if os.path.isdir(directory) else uid
        return f"user {uid}", gid, []
    return found.pw_name, found.pw_gid, os.getgrouplist(found.pw_name, found.pw_gid)
