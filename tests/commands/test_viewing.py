"""`kjerne view`: files in, a table out; whole or not at all, and a refusal that says where and shows nothing."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard

from kjerne import cli
from kjerne.commands import view_sources

ROOT = Path(__file__).parents[2]
VIEW = {
    "resourceType": "ViewDefinition",
    "name": "tops",
    "resource": "Observation",
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()", "type": "string"},
                {"name": "number", "path": "value.ofType(Quantity).value", "type": "decimal"},
                {"name": "exact", "path": "value.ofType(Quantity).value", "type": "decimal",
                 "tag": [{"name": "ansi/type", "value": "DECIMAL(9,3)"}]},
                {"name": "day", "path": "effective.ofType(dateTime)", "type": "dateTime",
                 "tag": [{"name": "ansi/type", "value": "DATE"}]},
                {"name": "issued", "path": "issued", "type": "instant"},
                {"name": "codes", "path": "code.coding.code", "type": "code", "collection": True},
                {"name": "code", "path": "code", "type": "CodeableConcept"},
                {"name": "is_final", "path": "status = 'final'", "type": "boolean"},
                {"name": "place", "path": "%rowIndex", "type": "integer"},
                {"name": "file", "path": "extension('urn:file').value.ofType(base64Binary)", "type": "base64Binary"},
            ]
        }
    ],
}  # fmt: skip
ONE = {
    "resourceType": "Observation", "id": "o1", "status": "final", "code": {"coding": [{"code": "A"}, {"code": "B"}]},
    "effectiveDateTime": "2024-03-14T08:15:00+01:00", "issued": "2024-03-14T08:15:00.5+01:00",
}  # fmt: skip
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    """`kjerne view ...` in a folder of its own: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "view.json").write_text(json.dumps(VIEW))
    (tmp_path / "some.ndjson").write_bytes(lines(ONE, {"resourceType": "Patient", "id": "p1"}))

    def called(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kjerne", "view", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfdbinary.readouterr()
        return int(str(ended.value.code or 0)), out.decode(), err.decode()

    return called


def lines(*resources: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


def number(digits: str) -> dict[str, Any]:
    return {**ONE, "valueQuantity": {"value": float(digits)}}


def test_rows_go_to_standard_output_and_the_count_beside(run: Run) -> None:
    code, out, err = run("run", "view.json", "some.ndjson")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, err) == (0, "kjerne: 1 rows of 1 Observation; 1 resources of other types were passed by\n")
    assert (row["id"], row["day"], row["is_final"], row["number"]) == ("o1", ONE["effectiveDateTime"], "true", "")
    assert json.loads(row["codes"]) == ["A", "B"]
    code, out, _ = run("run", "view.json", "some.ndjson", "--to", "ndjson")
    assert json.loads(out)["code"] == ONE["code"]


def test_numbers_leave_as_they_came(run: Run, tmp_path: Path) -> None:
    (tmp_path / "some.ndjson").write_text(json.dumps(number("1.5")).replace("1.5}", "1.50}") + "\n")
    assert '"number":1.50,' in run("run", "view.json", "some.ndjson", "--to", "ndjson")[1]
    assert ",1.50,1.50," in run("run", "view.json", "some.ndjson")[1]


def test_the_answer_in_json_tells_columns_and_counts(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("run", "view.json", "some.ndjson", "--to", "rows.csv", "--json")
    told = json.loads(out)
    assert (code, told["rows"], told["resources"], told["others"], told["format"]) == (0, 1, 1, 1, "csv")
    assert told["columns"][5] == {
        "name": "codes",
        "type": "code",
        "sql": "VARCHAR",
        "collection": True,
        "description": "",
    }
    assert (tmp_path / "rows.csv").stat().st_mode & 0o777 == 0o600
    assert run("run", "view.json", "some.ndjson", "--json")[0] == 2


def test_packed_files_folders_and_standard_input_are_read_alike(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.ndjson.gz").write_bytes(gzip.compress(lines(ONE)))
    (folder / "b.ndjson.zst").write_bytes(zstandard.compress(lines(ONE)) + zstandard.compress(lines(ONE)))
    (folder / "Observation-0").write_bytes(b"\xef\xbb\xbf" + lines(ONE) + b"\n\n")
    (folder / "notes.txt").write_text("no resource")
    assert run("run", "view.json", str(folder))[2] == "kjerne: 4 rows of 4 Observation\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(ONE))))
    assert run("run", "view.json", "-")[2] == "kjerne: 1 rows of 1 Observation\n"


def test_an_export_is_whole_or_refused(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    output = [
        {"type": kind, "url": f"http://x.example/exports/1/files/{kind}-{place}?a=b"}
        for kind, place in (("Observation", 0), ("Observation", 1), ("Patient", 0))
    ]
    (folder / "manifest.json").write_text(json.dumps({"transactionTime": "2026", "output": output}))
    (folder / "Observation-0").write_bytes(lines(ONE))
    (folder / "other.ndjson").write_bytes(lines(ONE))
    code, _, err = run("run", "view.json", str(folder))
    assert (code, "a file that is not here: Observation-1" in err) == (1, True)
    (folder / "Observation-1.ndjson").write_bytes(lines(ONE))
    assert run("run", "view.json", str(folder))[2] == "kjerne: 2 rows of 2 Observation\n"
    assert "no file of Condition" in run("run", "conditions", str(folder))[2]
    for broken in (
        "[]",
        "{",
        '{"output": [{"url": 1}]}',
        '{"output": [{"type": "Observation", "url": "http://x/.."}]}',
    ):
        (folder / "manifest.json").write_text(broken)
        code, _, err = run("run", "view.json", str(folder))
        assert (code, "manifest" in err) == (1, True)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "no resource in JSON"),
        (b"[]", "no resource in JSON"),
        (b'{"resourceType": 1}', "no resource in JSON"),
        (b'{"resourceType": "Observation", "id": "\xff"}', "no resource in JSON"),
        (b'{"resourceType": "Observation", "valueQuantity": {"value": 1e999999}}', "no resource in JSON"),
        (b'{"a":' * 5000, "no resource in JSON"),
        (b'{"resourceType": "Observation", "id": ["secret"]}', "got a list"),
        (b'{"resourceType": "Observation", "valueQuantity": {"value": "secret"}}', "got a text"),
        (b'{"resourceType": "Observation", "code": "secret"}', "got a text"),
    ],
)
def test_a_line_that_is_wrong_is_told_by_file_and_line_and_not_shown(
    run: Run, tmp_path: Path, line: bytes, says: str
) -> None:
    (tmp_path / "bad.ndjson").write_bytes(lines(ONE) + line + b"\n")
    code, out, err = run("run", "view.json", "bad.ndjson", "--to", "rows.csv")
    assert (code, out) == (1, "")
    assert says in err
    assert "bad.ndjson line 2" in err
    assert "secret" not in err
    assert [one.name for one in tmp_path.iterdir() if "rows" in one.name] == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("run", "nothing.json", "some.ndjson"), 1, "no such view is shipped"),
        (("run", "view.json", "nothing.ndjson"), 1, "there is no such file (nothing.ndjson)"),
        (("run", "view.json", "some.ndjson", "--to", "rows.xlsx"), 1, "which format is wanted (--to)"),
        (("run", "view.json", "some.ndjson", "--to", "some.ndjson"), 1, "one of the files that are read"),
        (("run", "view.json", "some.ndjson", "--to", "nowhere/rows.csv"), 1, "cannot be written"),
        (("run", "some.ndjson", "some.ndjson"), 1, "the view is no JSON"),
        (("run", "wrong.json", "some.ndjson"), 1, "wrong.json: ViewDefinition.select[0]"),
        (("show", "wrong.json"), 1, "it has no column"),
        (("run", "view.json"), 2, "Missing argument"),
        (("run", "view.json", "empty"), 1, "no file to read"),
        (("run", "view.json", "cut.ndjson.gz"), 1, "cannot be read on: EOFError (cut.ndjson.gz line"),
    ],
)
def test_what_was_asked_wrongly_is_refused_in_words(
    run: Run, tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "wrong.json").write_text('{"resource": "Patient", "select": [{}]}')
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(lines(*[ONE] * 99))[:-20])
    exit_code, _, err = run(*words)
    assert (exit_code, says in err) == (code, True), err
    assert "Traceback" not in err


def test_a_line_without_an_end_is_not_kept(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_sources, "LINE_LIMIT_BYTES", 1000)
    (tmp_path / "long.ndjson").write_bytes(lines(ONE) + b"x" * 5000)
    assert "long.ndjson line 2" in run("run", "view.json", "long.ndjson")[2]


def test_whoever_reads_the_rows_may_stop(tmp_path: Path) -> None:
    many = tmp_path / "many.ndjson"
    many.write_bytes(lines(ONE) * 5_000)
    asked = f"{shlex.quote(sys.executable)} -m kjerne view run lab_results {shlex.quote(str(many))} | head -1"
    done = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("id,patient_id,")
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_rows_that_can_go_nowhere_are_told_and_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "one.ndjson").write_bytes(lines(ONE))
    command = f"{shlex.quote(sys.executable)} -m kjerne view run lab_results"
    asked = f"{command} {shlex.quote(str(tmp_path / 'one.ndjson'))} > /dev/full; {command} /dev/stdin"
    with subprocess.Popen(["sh", "-c", asked], stdin=-1, stdout=-1, stderr=-1) as ran:
        out, err = ran.communicate(lines(ONE))
    told = err.decode().splitlines()
    assert told == [
        "kjerne: it cannot be written: No space left on device (standard output)",
        "kjerne: 1 rows of 1 Observation",
    ]
    assert out.decode().count("o1") == 1


def test_shipped_views_are_listed_and_shown(run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert re.search(r"^lab_results +Observation +Results$", out, re.MULTILINE)
    assert {"name": "flags", "resource": "Flag", "title": "Flags", "columns": 11} in json.loads(
        run("list", "--json")[1]
    )["views"]
    assert run("show", "report_results")[1] == (
        'CREATE TABLE "report_results" (\n  "report_id" VARCHAR,\n  "place" INTEGER,\n  "observation_id" VARCHAR\n)\n'
    )


class TestWithDuckdb:
    """Parquet and DuckDB: the types of the columns, and nothing half written."""

    @pytest.fixture(autouse=True)
    def duckdb(self) -> Any:
        return pytest.importorskip("duckdb", reason="DuckDB is not installed (kjerne[analytics])")

    def test_a_parquet_file_has_the_types_of_the_view(self, run: Run, duckdb: Any, tmp_path: Path) -> None:
        full = {**number("1.5"), "extension": [{"url": "urn:file", "valueBase64Binary": "AQID"}]}
        (tmp_path / "some.ndjson").write_bytes(
            lines(full, {"resourceType": "Observation", "id": "o2", "status": "final"})
        )
        code, out, _ = run("run", "view.json", "some.ndjson", "--to", "rows.parquet")
        assert (code, out) == (0, "2 rows of 2 Observation\n")
        assert (tmp_path / "rows.parquet").stat().st_mode & 0o777 == 0o600
        found = duckdb.sql(f"SELECT * FROM '{tmp_path / 'rows.parquet'}'")
        assert list(map(str, found.types)) == [
            "VARCHAR", "VARCHAR", "DECIMAL(9,3)", "DATE", "TIMESTAMP WITH TIME ZONE", "VARCHAR[]", "JSON", "BOOLEAN", "INTEGER",
            "BLOB",
        ]  # fmt: skip
        one, two = found.fetchall()
        assert one[:3] == ("o1", "1.5", Decimal("1.500"))
        assert one[3].isoformat() == "2024-03-14"
        assert one[4].timestamp() == 1710400500.5
        assert (one[5], json.loads(one[6]), one[7:]) == (["A", "B"], ONE["code"], (True, 0, b"\1\2\3"))
        assert two == ("o2", None, None, None, None, [], None, True, 0, None)

    def test_views_become_tables_of_one_database_and_are_replaced(self, run: Run, duckdb: Any, tmp_path: Path) -> None:
        for view in ("view.json", "lab_results", "view.json"):
            assert run("run", view, "some.ndjson", "--to", "all.duckdb")[0] == 0
        assert (tmp_path / "all.duckdb").stat().st_mode & 0o777 == 0o600
        with duckdb.connect(str(tmp_path / "all.duckdb")) as database:
            joined = database.execute("SELECT lab_results.code, day FROM lab_results JOIN tops USING (id)")
            assert [(code, day.isoformat()) for code, day in joined.fetchall()] == [("A", "2024-03-14")]

    def test_a_value_that_does_not_fit_leaves_what_was_there(self, run: Run, tmp_path: Path) -> None:
        assert run("run", "view.json", "some.ndjson", "--to", "rows.parquet")[0] == 0
        before = (tmp_path / "rows.parquet").read_bytes()
        (tmp_path / "some.ndjson").write_bytes(lines({**ONE, "effectiveDateTime": "2024"}))
        code, _, err = run("run", "view.json", "some.ndjson", "--to", "rows.parquet")
        assert code == 1
        assert (
            "a value of the column day is no DATE: no whole date (some.ndjson line 1, ViewDefinition.select[0]" in err
        )
        assert (tmp_path / "rows.parquet").read_bytes() == before
        assert run("run", "view.json", "some.ndjson", "--to", "new.duckdb")[0] == 1
        assert sorted(one.name for one in tmp_path.iterdir()) == ["rows.parquet", "some.ndjson", "view.json"]

    def test_what_is_no_database_is_told(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "not.duckdb").write_text("secret" * 99)
        code, _, err = run("run", "view.json", "some.ndjson", "--to", "not.duckdb")
        assert (code, "DuckDB cannot open it" in err, "secret" in err) == (5, True, False)

    @pytest.mark.parametrize("text", ["a\x00b", "\ud800", "🙂", '"quoted"\n,'])
    def test_any_text_goes_through_or_is_refused(self, run: Run, duckdb: Any, tmp_path: Path, text: str) -> None:
        (tmp_path / "odd.ndjson").write_bytes(lines({**ONE, "code": {"coding": [{"code": text}]}}))
        code, _, err = run("run", "view.json", "odd.ndjson", "--to", "odd.parquet")
        assert "Traceback" not in err
        if code == 0:
            assert duckdb.sql(f"SELECT codes FROM '{tmp_path / 'odd.parquet'}'").fetchall() == [([text],)]
        else:
            assert "odd.ndjson line 1" in err


def test_without_duckdb_what_needs_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    code, _, err = run("run", "view.json", "some.ndjson", "--to", "rows.parquet")
    assert (code, "Install kjerne[analytics]" in err) == (1, True)
    assert run("run", "view.json", "some.ndjson")[0] == 0


def test_the_example_of_the_documentation_is_what_comes_out(run: Run, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "views.md").read_text("utf-8")
    view, given, wanted = (
        re.search(rf"^```{kind}\n(.*?)^```", page, re.DOTALL | re.MULTILINE) for kind in ("json", "ndjson", "csv")
    )
    assert view
    assert given
    assert wanted
    (tmp_path / "tops.json").write_text(view[1])
    (tmp_path / "some.ndjson").write_text(given[1])
    code, out, _ = run("run", "tops.json", "some.ndjson")
    assert (code, out.replace("\r\n", "\n")) == (0, wanted[1])
