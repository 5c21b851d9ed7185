"""Commands of root's work in other users' directories as these users."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamdns.runtime.owner import acting_as_owner

pytestmark = pytest.mark.root
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A directory of nobody's, to which everybody may go."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, NOBODY.pw_uid, -1)
    for above in (folder, *folder.parents):
        if above.stat().st_uid == 0 and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o111)
    return folder


def test_files_belong_to_the_owner_of_the_directory(state: Path) -> None:
    before = os.getgroups()
    with acting_as_owner(str(state)):
        assert (os.geteuid(), os.getegid()) == (NOBODY.pw_uid, NOBODY.pw_gid)
        (state / "new").touch()
    assert (state / "new").stat().st_uid == NOBODY.pw_uid
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, before)


def test_a_directory_that_is_made_belongs_to_the_owner_of_the_one_above(state: Path) -> None:
    with acting_as_owner(f"{state}/deep/deeper"):
        os.makedirs(state / "deep" / "deeper")
    assert (state / "deep" / "deeper").stat().st_uid == NOBODY.pw_uid


def test_a_link_leads_to_no_file_of_roots(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("secret")
    target.chmod(0o600)
    (state / "link").symlink_to(target)
    said = "Permission denied to nobody, who owns its directory"
    with pytest.raises(PermissionError, match=said), acting_as_owner(str(state)):
        (state / "link").read_text()
    assert os.geteuid() == 0


def test_who_lays_a_link_into_the_way_is_who_it_is_done_as(state: Path, tmp_path: Path) -> None:
    """However often it goes on, and however it is written."""
    private = tmp_path / "private"
    private.mkdir()
    (state / "var").symlink_to(private)
    os.chown(state / "var", NOBODY.pw_uid, -1, follow_symlinks=False)
    (tmp_path / "to-state").symlink_to("state")
    for way in (state / "var", tmp_path / "to-state" / "var", tmp_path / "private" / ".." / "state" / "var"):
        with acting_as_owner(str(way)):
            assert os.geteuid() == NOBODY.pw_uid, way


def test_roots_own_directories_are_roots(state: Path, tmp_path: Path) -> None:
    """Also through links of root's, and below somebody else's directory, where only root can have made them."""
    (tmp_path / "link").symlink_to(tmp_path)
    own = state / "made-by-root"
    own.mkdir()
    for way in (tmp_path, tmp_path / "link", own):
        with acting_as_owner(str(way)):
            assert os.geteuid() == 0, way


def test_links_without_an_end(state: Path) -> None:
    (state / "a").symlink_to("b")
    (state / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"), acting_as_owner(f"{state}/a/x"):
        pass
