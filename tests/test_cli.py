"""The command line as scripts see it: JSON on standard output, sentences on standard error, exit codes with meaning."""

from __future__ import annotations

import codecs
import json
import os
import socket
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from kjerne import __version__
from kjerne.commands import asking, console
from kjerne.commands.sending import kith_files
from kjerne.errors import Refusal
from kjerne.sandbox.up import Standing, other_number
from kjerne.settings import Settings
from test_cli_settings import PRODUCTION

HOME = "http://127.0.0.1:8000"
NIN = "02825054321"


class FakeClient:
    """Stands for the platform: what was asked, and the answers it will give."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.tokens: list[dict[str, Any]] = []

    def __call__(self, url: str, http: httpx.Client) -> FakeClient:
        return self

    def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        self.asked.append({"method": method, "path": path, **given})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def token(self, caller: str, **given: Any) -> SimpleNamespace:
        self.tokens.append({"as_": caller, **given})
        return SimpleNamespace(answer={"access_token": "t"}, key=SimpleNamespace(private_jwk=lambda: {"kty": "EC"}))

    def openapi(self) -> dict[str, str]:
        return {"openapi": "3.1.0"}

    def personas(self) -> list[SimpleNamespace]:
        names = ("name", "kind", "role", "nin", "hpr", "organisation", "title")
        known = [SimpleNamespace(**{name: f"the {name}" for name in names})]
        return [*known, SimpleNamespace(**{**vars(known[0]), "name": "lab", "nin": ""})]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Any:
    def answering(*answers: httpx.Response | Exception) -> FakeClient:
        client = FakeClient(*answers)
        monkeypatch.setattr(asking, "Client", client)
        return client

    return answering


def imported_by(code: str) -> set[str]:
    """The modules that are loaded after `code` ran in a fresh interpreter."""
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    with tempfile.TemporaryDirectory() as folder:
        own = {**os.environ, **PRODUCTION, "KJERNE_DATA": folder}
        out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=own)
    return set(json.loads(out.stdout.splitlines()[-1]))


def test_help_loads_no_server_no_database_and_no_sandbox() -> None:
    loaded = imported_by("import kjerne.cli")
    assert not loaded & {"asyncpg", "uvicorn", "httpx", "lxml", "kjerne.app", "kjerne.sandbox", "kjerne.store"}


def test_production_loads_nothing_of_the_sandbox() -> None:
    loaded = imported_by("import kjerne.commands.production as p, kjerne.settings as s; p.checked(s.Settings())")
    assert "kjerne.app" in loaded
    assert not [name for name in loaded if name.startswith("kjerne.sandbox")]


def test_unreachable_platform_is_exit_3_and_names_the_setting(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KJERNE_URL", "http://127.0.0.1:1")
    code, out, _ = run("personas", "--json")
    assert code == 3
    assert json.loads(out)["error"]["where"] == "KJERNE_URL"
    code, out, err = run("personas")
    assert (code, out) == (3, "")
    assert "no platform answers at http://127.0.0.1:1" in err


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://a b\n", "http://[::1"]
)
def test_address_that_is_none_is_told_apart_from_a_platform_that_is_away(
    run: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("KJERNE_URL", url)
    for command in (("personas",), ("call", "GET", "/x")):
        code, out, _ = run(*command, "--json")
        assert (code, json.loads(out)["error"]["where"]) == (2, "KJERNE_URL")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(200, text="<html>"), "not as a kjerne sandbox"),
        (httpx.Response(200, json=[]), "not as a kjerne sandbox"),
        (httpx.Response(404), "(404)"),
        (httpx.Response(302, headers={"location": "/"}), "(302)"),
    ],
)
def test_server_that_is_no_platform_is_exit_3(
    run: Any, monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, says: str
) -> None:
    real = httpx.Client
    transport = httpx.MockTransport(lambda _: answer)
    monkeypatch.setattr(asking.httpx, "Client", lambda **_: real(transport=transport))
    code, _, err = run("personas")
    assert (code, says in err) == (3, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("call", "G T", "/x"),
        ("call", "", "/x"),
        ("call", "GET", "/x", "--basis", "å"),
        ("up", "--people", "14"),
        ("up", "--port", "0"),
        ("call", "GET", "/x", "--form", "a=1"),
        ("call", "POST", "/x", "--form", "a=1", "--body", "b"),
        ("nonsense",),
        ("call", "GET"),
        ("call", "GET", "/x", "--form", "a"),
        ("load", "kith"),
        (),
    ],
)
def test_command_written_wrongly_is_exit_2(run: Any, arguments: tuple[str, ...]) -> None:
    assert run(*arguments)[0] == 2


def test_patient_number_that_can_be_none_is_exit_2_as_a_persona_that_is_none(run: Any, platform: Any) -> None:
    for patient in ("12345678901", "nobody"):
        client = platform()
        code, out, _ = run("call", "GET", "/x", "--patient", patient, "--json")
        assert (code, json.loads(out)["error"]["where"], client.asked) == (2, "--patient", [])


def test_benchmarks_answer_a_wrong_argument_with_json_too() -> None:
    bench = Path(__file__).parents[1] / "bench"
    left = subprocess.run([sys.executable, bench, "--json", "--nosuch"], capture_output=True, text=True, check=False)
    assert (left.returncode, left.stderr) == (2, "")
    assert "--nosuch" in json.loads(left.stdout)["error"]["says"]


def test_packages_are_counted_where_there_is_none(run: Any, tmp_path: Path) -> None:
    assert run("ig", "list", "--data", str(tmp_path)) == (0, "0 packages\n", "")


def test_progress_is_told_every_few_seconds_on_standard_error_alone(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter((0.0, 1.0, 6.0, 6.0, 7.0, 12.0, 12.0))
    step = console._lines(lambda: next(times))
    for done in (1, 2, 3, 4):
        step(done, 9, "results")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "kjerne: 2 of 9 results\nkjerne: 4 of 9 results\n")


def test_version_is_shown(run: Any) -> None:
    assert run("--version") == (0, f"kjerne {__version__}\n", "")


def test_check_says_what_is_there(run: Any, tmp_path: Path) -> None:
    _, out, _ = run("check", "--json", "--data", str(tmp_path))
    checks = {one["what"]: one for one in json.loads(out)["checks"]}
    assert checks["PostgreSQL"]["ok"]
    assert set(checks) == {"Python", "FHIR definitions", "page assets", "PostgreSQL", "database"}
    assert checks["database"]["ok"] is None
    assert "not looked at" in checks["database"]["says"]


def test_call_prints_the_numbers_digit_for_digit(run: Any, platform: Any) -> None:
    body = b'{"value":1.10,"code":"4.0E0"}'
    client = platform(httpx.Response(200, content=body, headers={"content-type": "application/fhir+json"}))
    code, out, _ = run("call", "post", "/pps/v2/Observation/_search", "--patient", NIN, "--form", "code=a|b", "--json")
    assert code == 0
    assert json.loads(out, parse_float=Decimal)["body"]["value"].as_tuple() == Decimal("1.10").as_tuple()
    asked = client.asked[0]
    assert (asked["method"], asked["as_"], asked["form"]) == ("POST", "gp", (("code", "a|b"),))


@pytest.mark.parametrize(("status", "code"), [(200, 0), (400, 1), (401, 4), (403, 4), (404, 1), (409, 5), (503, 3)])
def test_exit_code_of_a_call_follows_the_answer(run: Any, platform: Any, status: int, code: int) -> None:
    platform(httpx.Response(status, json={"resourceType": "OperationOutcome"}))
    assert run("call", "GET", "/x")[0] == code


def test_answer_without_a_body_shows_its_status(run: Any, platform: Any) -> None:
    platform(httpx.Response(204), httpx.Response(303, headers={"location": "/"}))
    assert run("call", "DELETE", "/x")[:2] == (0, "204 No Content\n")
    assert run("call", "GET", "/x")[:2] == (0, "303 See Other\n")


def test_body_comes_from_a_file_and_is_typed_by_its_first_sign(run: Any, platform: Any, tmp_path: Path) -> None:
    (tmp_path / "message.xml").write_bytes(b"<a/>")
    client = platform(httpx.Response(200), httpx.Response(200))
    run("call", "POST", "/pps/in", "--body", f"@{tmp_path}/message.xml")
    run("call", "POST", "/fhir/R4/Observation", "--body", "{}")
    assert [one["headers"]["content-type"] for one in client.asked] == ["application/xml", "application/fhir+json"]
    assert run("call", "POST", "/x", "--body", "@/not/there")[0] == 2


@pytest.mark.parametrize(
    ("path", "body", "type_"),
    [
        ("/pps/in", codecs.BOM_UTF8 + b"<a/>", "application/xml"),
        ("/pps/in?x=1", b"no XML at all", "application/xml"),
        ("/fhir/R4/Observation", codecs.BOM_UTF8 + b"\r\n <a/>", "application/xml"),
        ("/fhir/R4/Observation", "<a/>".encode("utf-16"), "application/xml"),
        ("/fhir/R4/Observation", "<a/>".encode("utf-16-be"), "application/xml"),
        ("/fhir/R4/Observation", codecs.BOM_UTF8 + b"{}", "application/fhir+json"),
    ],
)
def test_byte_order_mark_hides_no_type_and_a_message_in_is_always_xml(
    run: Any, platform: Any, tmp_path: Path, path: str, body: bytes, type_: str
) -> None:
    (tmp_path / "body").write_bytes(body)
    client = platform(httpx.Response(200))
    run("call", "POST", path, "--body", f"@{tmp_path}/body")
    assert client.asked[0]["headers"]["content-type"] == type_
    assert client.asked[0]["body"] == body


def test_header_given_stands_over_our_own(run: Any, platform: Any) -> None:
    client = platform(httpx.Response(200))
    run("call", "POST", "/x", "--body", "{}", "--header", "Prefer: handling=lenient", "--header", "content-type:text/a")
    assert client.asked[0]["headers"] == {"prefer": "handling=lenient", "content-type": "text/a"}


@pytest.mark.parametrize("header", ["prefer", ":x", "a b:c", "x:å", "x:a\nb", "authorization:Bearer x", "DPoP: x"])
def test_header_that_cannot_be_sent_is_exit_2(run: Any, header: str) -> None:
    assert run("call", "GET", "/x", "--header", header)[0] == 2


def test_header_given_twice_is_exit_2(run: Any) -> None:
    assert run("call", "GET", "/x", "--header", "x:1", "--header", "X:2")[0] == 2


def page(*ids: str, next_page: str = "") -> httpx.Response:
    links = [f'{{"relation":"self","url":"{HOME}/fhir/R4/Observation"}}']
    links += [f'{{"relation":"next","url":"{HOME}{next_page}"}}'] if next_page else []
    entries = ",".join(f'{{"resource":{{"id":"{one}","value":1.10}}}}' for one in ids)
    body = f'{{"resourceType":"Bundle","total":3,"link":[{",".join(links)}],"entry":[{entries}]}}'
    return httpx.Response(200, content=body.encode(), headers={"content-type": "application/fhir+json"})


@pytest.mark.parametrize(
    ("link", "method"),
    [("/fhir/R4/Observation?_cursor=a%2Bb", "GET"), ("/pps/v2/Observation/_search?_cursor=a%2Bb", "POST")],
)
def test_all_pages_are_one_answer_with_what_two_pages_hold_once(
    run: Any, platform: Any, link: str, method: str
) -> None:
    client = platform(page("1", "2", next_page=link), page("2", "3"))
    arguments = (
        "--form",
        "code=a",
        "--header",
        "prefer:x",
        "--basis",
        "AKUTT",
        "--patient",
        NIN,
        "--all",
        "--json",
        "--saml",
    )
    code, out, _ = run("call", "POST", "/fhir/R4/Observation/_search", *arguments)
    body = json.loads(out, parse_float=Decimal)["body"]
    assert (code, body["total"], body["link"]) == (0, 3, [{"relation": "self", "url": f"{HOME}/fhir/R4/Observation"}])
    assert [one["resource"]["id"] for one in body["entry"]] == ["1", "2", "3"]
    assert body["entry"][2]["resource"]["value"].as_tuple() == Decimal("1.10").as_tuple()
    first, second = client.asked
    assert (second["method"], second["path"], second["form"], second["body"]) == (method, link, (), b"")
    same = ("as_", "patient", "basis", "decision", "purpose", "saml")
    assert first["saml"]
    assert [second[name] for name in same] == [first[name] for name in same]
    assert second["headers"]["prefer"] == "x"


def test_page_that_is_refused_is_the_answer(run: Any, platform: Any) -> None:
    platform(page("1", next_page="/x"), httpx.Response(403, json={"resourceType": "OperationOutcome"}))
    code, out, _ = run("call", "GET", "/fhir/R4/Observation", "--all", "--json")
    assert (code, json.loads(out)["status"]) == (4, 403)


def test_answer_without_pages_is_itself_with_all_too(run: Any, platform: Any) -> None:
    platform(httpx.Response(200, text="[", headers={"content-type": "application/json"}), page("1"))
    assert run("call", "GET", "/x", "--all")[1] == "[\n"
    assert json.loads(run("call", "GET", "/x", "--all")[1])["total"] == 3


def test_link_of_the_platform_may_be_given_whole_and_no_other(
    run: Any, platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KJERNE_URL", "http://kjerne.test/")
    client = platform(page("1"))
    assert run("call", "GET", "http://kjerne.test/x?_cursor=1", "--decision", "d-1")[0] == 0
    assert (client.asked[0]["path"], client.asked[0]["decision"]) == ("/x?_cursor=1", "d-1")
    for other in ("http://kjerne.test.other/x", "http://other.test/x", "x", "", "/a\nb"):
        assert run("call", "GET", other)[0] == 2


def test_load_tells_what_became_of_each_file(run: Any, platform: Any, tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml", "notes.txt"):
        (tmp_path / name).write_bytes(b"<Message/>")
    accepted = {"status": "accepted", "reports": 1, "observations": 7}
    client = platform(
        httpx.Response(200, json=accepted), httpx.Response(422, json={"status": "refused", "reason": "no patient"})
    )
    code, out, _ = run("load", "kith", str(tmp_path), "--json")
    assert code == 1
    told = json.loads(out)["files"]
    assert {one["status"] for one in told} == {"accepted", "refused"}
    assert [Path(one["file"]).name for one in told] == ["a.xml", "b.xml"]
    assert set(told[0]) == {"file", "status", "reason", "reports", "observations"}
    assert {one["as_"] for one in client.asked} == {"lab"}


def accepted(count: int) -> list[httpx.Response]:
    return [httpx.Response(200, json={"status": "accepted", "reports": 1}) for _ in range(count)]


def test_load_sends_regular_files_alone_and_shows_every_name(run: Any, platform: Any, tmp_path: Path) -> None:
    names = [b"a.xml", b"b.XML", b"caf\xe9.xml", "ø.xml".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"<a/>")
    os.mkfifo(tmp_path / "pipe.xml")
    (tmp_path / "gone.xml").symlink_to("nowhere")
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "folder.xml" / "inner.xml").write_bytes(b"<a/>")
    client = platform(*accepted(5))
    code, out, _ = run("load", "kith", str(tmp_path), "--json")
    told = {one["file"].removeprefix(f"{tmp_path}/"): one["status"] for one in json.loads(out)["files"]}
    assert {name for name, status in told.items() if status == "refused"} == {"pipe.xml", "gone.xml"}
    assert set(told) == {"a.xml", "b.XML", "caf\\xe9.xml", "ø.xml", "pipe.xml", "gone.xml", "folder.xml/inner.xml"}
    assert (code, len(client.asked)) == (1, 5)


@pytest.mark.parametrize(
    ("answer", "reason", "code"),
    [
        (
            httpx.Response(413, json={"error": "too long", "todo": "Send it in parts."}),
            "too long. Send it in parts.",
            1,
        ),
        (httpx.Response(400, json={"error": "the body is empty", "where": "body"}), "the body is empty (body)", 1),
        (httpx.Response(403, json={"error": "no scope"}), "no scope", 4),
        (httpx.Response(403, json={"status": "refused", "reason": "not filed here"}), "not filed here", 1),
        (httpx.Response(502, text="bad gateway"), "the platform answered 502 without a receipt", 1),
        (httpx.Response(200, json=[]), "the platform answered 200 without a receipt", 1),
        (httpx.Response(503, json={"error": "busy"}), "busy", 3),
        (httpx.ReadTimeout("slow"), "no answer came (ReadTimeout)", 3),
        (Refusal(403, "the login ended"), "the login ended", 4),
    ],
)
def test_load_tells_the_platforms_own_reason(
    run: Any, platform: Any, tmp_path: Path, answer: Any, reason: str, code: int
) -> None:
    (tmp_path / "a.xml").write_bytes(b"<a/>")
    platform(answer)
    left, out, _ = run("load", "kith", str(tmp_path), "--json")
    (told,) = json.loads(out)["files"]
    assert (left, told["status"]) == (code, "refused")
    assert told["reason"].startswith(reason)


def test_load_sends_the_others_where_one_path_is_not_there(run: Any, platform: Any, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b"<a/>")
    client = platform(*accepted(1))
    code, out, _ = run("load", "kith", "--json", str(tmp_path / "gone.xml"), str(tmp_path / "a.xml"))
    told = json.loads(out)["files"]
    assert [(Path(one["file"]).name, one["status"]) for one in told] == [("gone.xml", "refused"), ("a.xml", "accepted")]
    assert told[0]["reason"].startswith("cannot be read: ")
    assert (code, len(client.asked)) == (1, 1)


def test_load_has_a_line_for_each_file_where_no_platform_answers(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_bytes(b"<a/>")
    monkeypatch.setenv("KJERNE_URL", "http://127.0.0.1:1")
    code, out, _ = run("load", "kith", str(tmp_path), "--json")
    told = json.loads(out)["files"]
    assert [(Path(one["file"]).name, one["status"]) for one in told] == [("a.xml", "refused"), ("b.xml", "refused")]
    assert {"no platform answers at http://127.0.0.1:1" in one["reason"] for one in told} == {True}
    assert code == 3


def test_load_goes_on_after_a_file_that_got_no_answer(run: Any, platform: Any, tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_bytes(b"<a/>")
    platform(httpx.ConnectError("gone"), *accepted(1))
    code, out, _ = run("load", "kith", str(tmp_path))
    assert (code, "1 accepted, 1 refused" in out) == (3, True)


def test_folder_that_cannot_be_listed_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def walked(folder: Path, onerror: Any) -> Any:
        onerror(PermissionError(13, "Permission denied", str(folder / "shut")))
        return iter([(str(folder), ["shut"], ["a.xml"])])

    monkeypatch.setattr(os, "walk", walked)
    assert kith_files([tmp_path]) == [tmp_path / "a.xml", tmp_path / "shut"]


def test_text_and_json_come_out_whatever_the_terminal_speaks(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    program = [sys.executable, "-m", "kjerne.cli", "check", "--data", str(tmp_path / "ø")]
    text = subprocess.run(program, capture_output=True, check=False, env=environment)
    document = subprocess.run([*program, "--json"], capture_output=True, check=False, env=environment)
    assert b"\\xf8" in text.stdout
    assert "ø" in json.loads(document.stdout)["checks"][-1]["says"]


@pytest.mark.parametrize(
    ("url", "before"), [(HOME, ""), ("http://127.0.0.1:8480", "KJERNE_URL=http://127.0.0.1:8480 ")]
)
def test_commands_to_try_find_the_platform_that_has_just_started(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str, before: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["kjerne"])
    console.standing(as_json=False)(Standing(url, 12, 1.0, NIN))
    said = capsys.readouterr().out
    commands = [
        line.removeprefix("  try").strip() for line in said.splitlines() if "kjerne call" in line or "personas" in line
    ]
    assert len(commands) == 2
    assert all(command.startswith(f"{before}kjerne ") for command in commands)


@pytest.mark.parametrize(
    ("asked", "told"),
    [({}, False), ({"people": 40}, False), ({"people": 500}, True)],
)
def test_a_number_of_people_that_the_data_do_not_have_is_told(
    capsys: pytest.CaptureFixture[str], asked: dict[str, int], told: bool
) -> None:
    note = other_number(Settings(**asked), 40)
    assert ("have 40 people" in note and "(500)" in note) is told
    for as_json in (True, False):
        console.standing(as_json=as_json)(Standing(HOME, 40, 1.0, NIN, note))
        said = capsys.readouterr().out
        assert (json.loads(said).get("note", "") == note) if as_json else (note in said)


@pytest.mark.parametrize(
    ("started", "whole", "command"),
    [
        ("/p/kjerne/__main__.py", ["python3", "-I", "-m", "kjerne", "up"], "python3 -m kjerne"),
        ("/p/kjerne/cli.py", [".venv/bin/python", "-m", "kjerne.cli", "up"], ".venv/bin/python -m kjerne.cli"),
        (".venv/bin/kjerne", ["python3", ".venv/bin/kjerne", "up"], ".venv/bin/kjerne"),
    ],
)
def test_commands_to_try_are_spelled_as_this_one_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, started: str, whole: list[str], command: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started, "up"])
    monkeypatch.setattr(sys, "orig_argv", whole)
    console.standing(as_json=False)(Standing(HOME, 12, 1.0, NIN))
    said = capsys.readouterr().out
    assert f" {command} call POST" in said
    assert f"{command} personas" in said


def test_the_program_is_called_by_name_where_the_path_finds_this_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "kjerne"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for started, command in ((str(program), "kjerne"), ("elsewhere/kjerne", "elsewhere/kjerne")):
        monkeypatch.setattr(sys, "argv", [started])
        console.standing(as_json=False)(Standing(HOME, 12, 1.0, NIN))
        assert f" {command} call POST" in capsys.readouterr().out


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "kjerne", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"kjerne {__version__}\n"


def test_up_on_a_taken_port_makes_nothing(run: Any, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, out, _ = run("up", "--json", "--data", str(tmp_path / "data"), "--port", str(port))
    assert (code, f"port {port}" in json.loads(out)["error"]["says"]) == (5, True)
    assert not (tmp_path / "data").exists()


def test_load_of_a_folder_without_messages_says_so(run: Any, tmp_path: Path) -> None:
    code, _, err = run("load", "kith", str(tmp_path))
    assert code == 2
    assert "no file to send" in err


@pytest.mark.parametrize("name", ["people", "port"])
def test_number_outside_what_the_setting_takes_is_exit_2_and_names_the_option(run: Any, name: str) -> None:
    least, most = Settings.model_fields[name].metadata
    for value, limit in ((least.ge - 1, least.ge), (most.le + 1, most.le)):
        code, out, err = run("up", f"--{name}", str(value))
        assert (code, out) == (2, "")
        assert f"--{name}" in err and str(limit) in err


def test_persona_table_cuts_no_name(run: Any, platform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    platform()
    head, first, second = run("personas")[1].splitlines()
    assert first.split("  ") == ["the name", "the kind", "the role", "the nin", "the hpr", "the organisation"]
    assert head.index("organisation") == first.index("the organisation") == second.index("the organisation")
    assert second.startswith("lab ")


def test_personas_and_token_as_documents(run: Any, platform: Any) -> None:
    platform()
    _, out, _ = run("personas", "--json")
    shown = {"name", "kind", "role", "nin", "hpr", "organisation"}
    assert shown <= set(json.loads(out)["personas"][0])
    _, out, _ = run("token", "--as", "gp", "--json")
    assert json.loads(out) == {"access_token": "t", "dpop_key": {"kty": "EC"}}
    assert run("token")[1] == "t\n"


def test_the_openapi_document_is_shown_as_the_platform_gives_it(run: Any, platform: Any) -> None:
    platform()
    assert json.loads(run("openapi")[1]) == json.loads(run("openapi", "--json")[1]) == {"openapi": "3.1.0"}


@pytest.mark.parametrize(("given", "number"), [("the name", "the nin"), (NIN, NIN), ("028250 54321", NIN), ("", "")])
def test_patient_is_a_persona_or_a_number_for_a_call_and_a_token(
    run: Any, platform: Any, given: str, number: str
) -> None:
    client = platform(httpx.Response(200))
    run("call", "GET", "/x", "--patient", given)
    run(
        "token",
        "--patient",
        given,
        "--purpose",
        "BTG",
        "--reason",
        "r",
        "--self-selected",
        "--decision",
        "d",
        "--portal",
        "--policy",
        "3",
    )
    attested = {
        "purpose": "BTG", "reason": "r", "self_selected": True, "decision": "d", "portal": True, "policy": "3",
    }  # fmt: skip
    assert client.asked[0]["patient"] == number
    assert client.tokens == [{"as_": "gp", "patient": number, **attested}]


@pytest.mark.parametrize("given", ["nobody", "lab", "123", "028250543211", "0282505432\N{SUPERSCRIPT ONE}"])
def test_patient_who_is_nobody_is_refused_before_anything_is_sent(run: Any, platform: Any, given: str) -> None:
    client = platform()
    for command in (("call", "GET", "/x"), ("token",)):
        code, out, _ = run(*command, "--patient", given, "--json")
        error = json.loads(out)["error"]
        assert (code, error["where"], "the name" in error["todo"]) == (2, "--patient", True)
    assert not client.asked and not client.tokens
