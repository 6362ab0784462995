"""Where the tests' databases lie."""

from __future__ import annotations

import os
from pathlib import Path

import in_memory


def test_what_a_killed_run_left_is_removed_and_what_a_running_one_has_stays(tmp_path: Path) -> None:
    dead, alive, others = (
        tmp_path / f"{in_memory.PREFIX}{2**22 + 1}-a", tmp_path / f"{in_memory.PREFIX}{os.getpid()}-b", tmp_path / "c",
    )  # fmt: skip
    for one in (dead, alive, others):
        (one / "base").mkdir(parents=True)
    with in_memory.folder(tmp_path, room=0) as found:
        assert found is not None and found.is_dir()
        assert set(tmp_path.iterdir()) == {alive, others, found}
    assert set(tmp_path.iterdir()) == {alive, others}


def test_nothing_is_laid_where_there_is_no_room(tmp_path: Path) -> None:
    with in_memory.folder(tmp_path, room=2**62) as found:
        assert found is None
    with in_memory.folder(tmp_path / "absent", room=1) as found:
        assert found is None
    assert list(tmp_path.iterdir()) == []
