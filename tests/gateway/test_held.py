"""Room on the disk for documents that have come, until they have been read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kjerne.gateway import held
from kjerne.gateway.held import Disk, Held
from kjerne.services.documents.model import NotGiven
from kjerne.wire import mtom


def test_documents_that_nobody_reads_fill_the_disk_to_its_limit_and_no_further(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(held, "DISK_LIMIT_BYTES", 100)
    disk, file = Disk(), tmp_path / "0"
    file.write_bytes(b"x")
    one = Held(file)
    one.at_end(disk.taken(60))
    with pytest.raises(NotGiven) as caught:
        disk.taken(41)
    assert (caught.value.fault, caught.value.of_one) == ("busy", True)
    with pytest.raises(NotGiven):
        disk.taken(None)
    let_go = disk.taken(40)
    del one
    assert disk.held_bytes == 40, "nobody has it any more"
    let_go()
    let_go()
    assert disk.held_bytes == 0


def test_no_document_takes_more_room_than_any_may_have() -> None:
    disk = Disk()
    disk.taken(10**15)
    assert disk.held_bytes == mtom.PART_LIMIT_BYTES
