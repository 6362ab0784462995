"""The file of the sources that are asked: what stands in it, and what is refused with its number."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kjerne.errors import Refusal
from kjerne.registries.document_sources import DocumentSources

GOOD = {
    "name": '"sundvika"', "organisation": '"100000008"', "home": '"urn:oid:2.16.578.1"', "audience": '"a"',
    "url": '"https://xca.example/XCA/Services/RespondingGatewayService"',
}  # fmt: skip


def written(folder: Path, *rows: dict[str, str], sandbox: bool = False) -> DocumentSources:
    path = folder / "sources.toml"
    tables = ("[[source]]\n" + "\n".join(f"{name} = {value}" for name, value in row.items()) for row in rows)
    path.write_text("\n".join(tables), encoding="utf-8")
    return DocumentSources(path, sandbox=sandbox)


def test_what_is_left_out_of_an_entry_has_its_default(tmp_path: Path) -> None:
    (found,) = written(tmp_path, GOOD).all()
    assert (found.title, found.seconds, found.url) == ("sundvika", 3.0, GOOD["url"].strip('"'))
    assert not found.receiver.lets("10.0.0.1")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": '"Sund vika"'}, {"organisation": '""'}, {"audience": '""'}, {"home": '"2.16.578.1"'}, {"seconds": "0"},
        {"seconds": "21"}, {"seconds": "true"}, {"url": '"http://xca.example/xca"'}, {"url": '"https://xca.example/"'},
        {"url": '"https://xca.example/a/../b"'}, {"url": '"https://x@xca.example/a"'}, {"addresses": '["10.0.0.1/8"]'},
        {"port": "8"}, {"url": '"https://xca.example:99999/a"'}, {"url": f'"https://{"a" * 64}.example/a"'},
        {"url": '"https://xca..example/a"'}, {"url": '"https://[::1/a"'},
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_taken_is_refused_and_nobody_is_asked(tmp_path: Path, changes: dict[str, str]) -> None:
    sources = written(tmp_path, GOOD, GOOD | {"name": '"other"', "home": '"urn:oid:2.16.578.2"'} | changes)
    with pytest.raises(Refusal) as caught:
        sources.read()
    assert caught.value.status == 422 and "source 2" in str(caught.value)
    with pytest.raises(Refusal) as caught:
        sources.all()
    assert caught.value.status == 503, "no source would say that nobody has documents"


def test_a_mistake_in_the_file_is_logged_once_and_what_it_said_before_goes_on(tmp_path: Path) -> None:
    sources = written(tmp_path, GOOD)
    good = sources.path.read_text()
    before = sources.all()
    with capture_logs() as logged:
        sources.path.write_text(good + "\n[[source]\n")
        assert sources.all() == sources.all() == before
    assert [one["log_level"] for one in logged] == ["error"] and "source" in logged[0]["event"]
    sources.path.write_text(good.replace("sundvika", "vestre-sykehus"))
    assert [one.name for one in sources.all()] == ["vestre-sykehus"]
    sources.path.unlink()
    assert sources.all() == ()


def test_two_sources_of_one_name_or_one_community_do_not_stand_together(tmp_path: Path) -> None:
    for other in ({"name": '"other"'}, {"home": '"urn:oid:2.16.578.2"'}):
        with pytest.raises(Refusal):
            written(tmp_path, GOOD, GOOD | other).read()


def test_the_sandbox_may_ask_this_machine_without_tls(tmp_path: Path) -> None:
    row = GOOD | {"url": '"http://127.0.0.1:8811/xca"'}
    with pytest.raises(Refusal):
        written(tmp_path, row).read()
    assert len(written(tmp_path, row, sandbox=True).all()) == 1
