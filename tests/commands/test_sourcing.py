"""`kjerne source` as an operator starts it: its own folder and database, the same documents after it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from documents_at_hand import entry, submission
from kjerne.errors import Refusal
from kjerne.settings import Settings
from kjerne.wire import mtom, soap
from kjerne.xds import messages, names
from ports import free_port
from sources import KEY, REPOSITORY_PATH, TEXT, enveloped, packaged


@contextmanager
def running(folder: Path) -> Iterator[dict[str, Any]]:
    port = str(free_port())
    command = [sys.executable, "-m", "kjerne.cli", "source", "--port", port, "--data", str(folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()) | {"process": process}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.mark.slow
def test_a_source_starts_on_an_empty_folder_and_has_its_documents_after_it_was_killed(
    quick_folder: Path, tmp_path: Path
) -> None:
    folder = quick_folder / "source"
    folder.mkdir()
    digest = sha256(KEY.encode()).hexdigest()
    said = f'home = "urn:oid:1.2"\nrepository = "1.2.3"\ntest_people = true\n[submitters]\njournal = "{digest}"\n'
    (folder / "source.toml").write_text(said)
    sent = submission(entry(repository=""))
    body = messages.written_provision(sent, {entry().id: lambda element: mtom.included(element, "0@hospital")})
    raw = packaged(enveloped(names.PROVIDE, body, None), tmp_path, (TEXT,))

    def provided(url: str) -> messages.Response:
        headers = {"content-type": mtom.content_type("b-1"), "authorization": f"Bearer {KEY}"}
        answer = httpx.post(url + REPOSITORY_PATH, content=raw, headers=headers)
        return messages.response(soap.opened(answer.content).body)

    with running(folder) as first:
        assert (first["home"], first["repository"], first["issuers"]) == ("urn:oid:1.2", "1.2.3", 0)
        assert provided(first["url"]) == messages.Response(names.SUCCESS)
        os.kill(first["process"].pid, signal.SIGKILL)
    with running(folder) as second:
        assert provided(second["url"]) == messages.Response(names.SUCCESS)
    (kept,) = (path for path in (folder / "documents").rglob("*") if path.is_file())
    assert kept.read_bytes() == TEXT


async def test_a_database_of_the_platforms_is_not_taken_for_a_sources(dsn: str, owner_dsn: str, tmp_path: Path) -> None:
    from kjerne.commands.sourcing import _database

    for owner in ("", owner_dsn):
        settings = Settings(dsn=dsn, owner_dsn=owner, data=tmp_path)
        with pytest.raises(Refusal) as caught:
            async with _database(settings):
                pass
        assert caught.value.status in (409, 503)
