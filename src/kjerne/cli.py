"""The command line. Each command imports what it needs when it runs, so that `kjerne --help` is there at once.

Exit codes: 0 done; 1 refused, or part of it was; 2 the command was written wrongly; 3 nobody answers (platform or
database); 4 not allowed to this caller; 5 in use by another process; 6 (`verify`) nothing wrong was found, but the
sealer does not run; 130 stopped by Ctrl-C.
With `--json` the answer is one JSON document on standard output, a refusal too: `{"error": {"says", "where", "todo"}}`.
Client commands (`call`, `load kith`, `openapi`, `personas`, `proxy`, `token`) speak to the platform that `KJERNE_URL` names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Final

import typer

from kjerne.commands.options import (
    As,
    ClosedZone,
    Data,
    Decision,
    Declared,
    Json,
    Patient,
    People,
    Policy,
    Port,
    Portal,
    Purpose,
    Reason,
    SelfSelected,
    Sources,
    say,
    settings_of,
)
from kjerne.commands.registers import participation, persons
from kjerne.commands.synthesising import synth
from kjerne.commands.viewing import views
from kjerne.errors import Refusal

REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
FORBIDDEN: Final = 4
IN_USE: Final = 5
BEHIND: Final = 6
INTERRUPTED: Final = 130

_WRITTEN_BY_HAND: Final = frozenset({"PATH", "--as", "--patient", "KJERNE_URL"})
"""What a refusal is about where the command itself was written wrongly."""
_EXIT_BY_STATUS: Final = {401: FORBIDDEN, 403: FORBIDDEN, 409: IN_USE, 503: UNREACHABLE, 504: UNREACHABLE}

_HEADER_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[ -~\t]*")
_MADE_HEADERS: Final = frozenset({"authorization", "dpop", "content-length", "transfer-encoding", "connection"})

kjerne = typer.Typer(
    name="kjerne",
    help="A national health record layer, and the synthetic sandbox to build and test against.",
    epilog="Exit codes: 0 done, 1 refused, 2 wrong usage, 3 nobody answers, 4 not allowed, 5 in use, 6 behind, 130 stopped.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
load = typer.Typer(help="Send files to the platform.")
kjerne.add_typer(load, name="load")
kjerne.add_typer(participation, name="participation")
kjerne.add_typer(persons, name="persons")
kjerne.add_typer(views, name="view")
kjerne.add_typer(synth, name="synth")
guides = typer.Typer(help="Packages of implementation guides, and resources held against their profiles.")
kjerne.add_typer(guides, name="ig")


def main() -> None:
    """Run the command line; the one place where a refusal becomes a sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is shown its number
    try:
        code = kjerne(standalone_mode=False)
    except Refusal as refusal:
        code = _refused(refusal)
    except typer.TyperException as wrong:
        says = getattr(wrong, "format_message", wrong.__str__)()  # names the option, where it is about one
        _refused(Refusal(400, says, todo="See kjerne --help."))
        code = USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    sys.exit(code)


@kjerne.command()
def up(
    port: Port = None,
    data: Data = None,
    people: People = None,
    sources: Sources = None,
    json_: Json = False,
) -> None:
    """Start the sandbox: everything on one port, with its own PostgreSQL and synthetic people, until Ctrl-C."""
    from kjerne.commands.console import peopling, standing
    from kjerne.sandbox.up import run
    from kjerne.server import log_to
    from kjerne.server import run as run_program

    settings = settings_of(mode="sandbox", port=port, data=data, people=people, sources=sources)
    log_to(level=30)
    with peopling() as progress:
        run_program(run(settings, progress, standing(as_json=json_)))


@kjerne.command()
def serve(
    port: Port = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes that answer requests.")] = 1,
    json_: Json = False,
) -> None:
    """Run in production, on the database and keys that the settings name; knows no sandbox, takes none of its keys."""
    from kjerne.commands.production import checked, run

    run(checked(settings_of(mode="production", port=port)), workers, as_json=json_)


@kjerne.command()
def work(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then end.")] = False,
    json_: Json = False,
) -> None:
    """Do the work by the clock: what is due in the job table, until Ctrl-C."""
    from kjerne.commands.production import work_off

    done = work_off(settings_of(), once=once)
    say({"done": done}, as_json=json_, text=f"{done} jobs done")


@kjerne.command()
def source(
    port: Port = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Run a document source (IHE XDS.b and XCA) on its own folder and PostgreSQL, until Ctrl-C; `source.toml` says who it is."""
    from kjerne.commands.sourcing import run

    run(settings_of(mode="production", port=port, data=data), as_json=json_)


@kjerne.command("source-log")
def source_log(
    data: Data = None,
    patient: Annotated[
        bool, typer.Option("--patient", help="One patient's rows: her number, from standard input.")
    ] = False,
    since: Annotated[str, typer.Option("--since", help="From this day on (UTC), YYYY-MM-DD.")] = "",
) -> None:
    """Write the log of a running document source as lines of JSON, oldest first: who saw what, on which ground."""
    from kjerne.commands.source_logs import run

    run(settings_of(mode="production", data=data), since, of_one=patient)


@load.command("kith")
def load_kith(
    paths: Annotated[list[Path], typer.Argument(help="Svarrapport files, or folders with *.xml in them.")],
    caller: As = "lab",
    json_: Json = False,
) -> int:
    """Send laboratory and radiology messages (Svarrapport 1.3 or 1.4, bare or in MsgHead); tell what became of each."""
    from kjerne.commands.console import sending
    from kjerne.commands.sending import kith_files, send

    files = kith_files(paths)
    with sending(len(files), quiet=json_) as step:
        outcomes = send(files, caller, step)
    refused = [one for one in outcomes if one.status == "refused"]
    lines = [f"{one.file}: {one.reason}" for one in refused]
    lines.append(f"{len(outcomes) - len(refused)} accepted, {len(refused)} refused")
    say({"files": [one.told() for one in outcomes]}, as_json=json_, text="\n".join(lines))
    return _exit_of_many({_EXIT_BY_STATUS.get(one.code, REFUSED) for one in refused})


@load.command("synthetic")
def load_synthetic(
    folder: Annotated[Path, typer.Argument(help="What `kjerne synth generate --format fhir` made.")],
    closed_zone: ClosedZone = False,
    json_: Json = False,
) -> None:
    """Take generated people into a running sandbox; what was broken off goes on, and nothing is there twice."""
    from kjerne.commands.asking import connected
    from kjerne.commands.console import loading
    from kjerne.commands.loading_people import check, loaded

    check(folder, closed_zone=closed_zone)
    with loading(quiet=json_) as step, connected() as client:
        found = loaded(folder, client, step)
    text = f"{found['people']} people and {found['resources']} resources are in the sandbox"
    say(found, as_json=json_, text=text)


@load.command("terminology")
def load_terminology(
    paths: Annotated[
        list[Path] | None, typer.Argument(exists=True, help="Files, folders or zips; none: show what is loaded.")
    ] = None,
    address: Annotated[str, typer.Option("--address", help="The address, where a file does not say it.")] = "",
    version: Annotated[str, typer.Option("--version", help="The version, where a file does not say it.")] = "",
    remove: Annotated[str, typer.Option("--remove", help="ADDRESS|VERSION: keep it no more.")] = "",
    data: Data = None,
    json_: Json = False,
) -> None:
    """Keep code systems and value sets: SNOMED CT RF2, LOINC, ClaML, ATC, FEST, NLK, NPU, Shorthand, FHIR JSON."""
    from kjerne.commands.terminology import done, told

    if paths and remove:
        raise typer.BadParameter("it is removed, or files are loaded", param_hint="--remove")
    found = done(settings_of(data=data), paths or [], address, version, remove, quiet=json_)
    say({"terminology": found}, as_json=json_, text=told(found))


@kjerne.command()
def call(
    method: Annotated[str, typer.Argument(help="GET, POST ...")],
    path: Annotated[str, typer.Argument(help="The path, such as /pps/v2/Observation/_search, or a whole link.")],
    caller: As = "gp",
    patient: Patient = "",
    purpose: Purpose = "TREAT",
    reason: Reason = "",
    self_selected: SelfSelected = False,
    decision: Decision = "",
    portal: Portal = False,
    policy: Policy = "",
    basis: Declared = "",
    form: Annotated[list[str] | None, typer.Option("--form", help="A form field name=value; may be repeated.")] = None,
    body: Annotated[str, typer.Option("--body", help="The body; @FILE reads a file, @- standard input.")] = "",
    header: Annotated[
        list[str] | None, typer.Option("--header", help="A header name:value, over one we would send; may be repeated.")
    ] = None,
    service: Annotated[
        str, typer.Option("--service", help="Whose token, where two services keep the type: record ...")
    ] = "",
    saml: Annotated[bool, typer.Option("--saml", help="By a SAML assertion (XUA) instead of a token.")] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Follow the links to further pages; one answer with all.")
    ] = False,
    json_: Json = False,
) -> int:
    """Call an API as somebody: token, proof of possession and attestation are made, the answer is printed."""
    from kjerne.commands.asking import Asked, Attested, ask

    if not method.isascii() or not method.isalpha():
        raise typer.BadParameter("a method is a word, such as GET", param_hint="METHOD")
    if not _HEADER_VALUE.fullmatch(basis):
        raise typer.BadParameter("a basis is one of SAMTYKKE, AKUTT and UNNTAK", param_hint="--basis")
    method, fields = method.upper(), tuple(_field(text) for text in form or ())
    if fields and (body or method in ("GET", "HEAD")):
        says = "a form is a body of its own" if body else f"{method} sends no form: write ?name=value in the path"
        raise typer.BadParameter(says, param_hint="--form")
    asked = Asked(method, path, basis, fields, _body(body), _headers(header or ()), saml, service)
    answer = ask(
        asked, caller, Attested(patient, purpose, reason, self_selected, decision, portal, policy), follow=all_
    )
    say(answer.told(), as_json=json_, text=answer.readable())
    return 0 if answer.status < 400 else _EXIT_BY_STATUS.get(answer.status, REFUSED)


@kjerne.command()
def proxy(
    caller: As = "gp",
    patient: Patient = "",
    purpose: Purpose = "TREAT",
    reason: Reason = "",
    self_selected: SelfSelected = False,
    decision: Decision = "",
    portal: Portal = False,
    policy: Policy = "",
    basis: Declared = "",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 8100,
    json_: Json = False,
) -> None:
    """Let any FHIR client in as somebody: what it sends to this port goes on with token, proof and attestation."""
    from kjerne.commands.asking import Attested
    from kjerne.commands.proxying import stand

    def told(own: str) -> None:
        text = f"{own}/fhir/R4 answers as {caller}, until Ctrl-C"
        say({"url": own, "fhir": f"{own}/fhir/R4", "as": caller}, as_json=json_, text=text)
        sys.stdout.flush()

    stand(caller, Attested(patient, purpose, reason, self_selected, decision, portal, policy), basis, port, told)


@kjerne.command()
def personas(json_: Json = False) -> None:
    """Show who can be called as."""
    from kjerne.commands.asking import personas as asked
    from kjerne.commands.console import persona_table

    told = asked()
    say({"personas": told}, as_json=json_, text=persona_table(told))


@kjerne.command()
def openapi(json_: Json = False) -> None:
    """Show the platform's own description of its addresses, an OpenAPI document."""
    import json

    from kjerne.commands.asking import openapi as asked

    told = asked()
    say(told, as_json=json_, text=json.dumps(told, indent=2))


@kjerne.command()
def token(
    caller: As = "gp",
    patient: Patient = "",
    purpose: Purpose = "TREAT",
    reason: Reason = "",
    self_selected: SelfSelected = False,
    decision: Decision = "",
    portal: Portal = False,
    policy: Policy = "",
    json_: Json = False,
) -> None:
    """Get an access token as somebody, about a patient; --json shows the key that it is bound to as well."""
    from kjerne.commands.asking import Attested
    from kjerne.commands.asking import token as asked

    told = asked(caller, Attested(patient, purpose, reason, self_selected, decision, portal, policy))
    say(told, as_json=json_, text=str(told["access_token"]))


@kjerne.command()
def verify(
    data: Annotated[
        str | None, typer.Option("--data", help="The data directory, or a PostgreSQL address (postgresql://...).")
    ] = None,
    checkpoints: Annotated[
        str | None, typer.Option("--checkpoints", help="The signed checkpoints: the file.jsonl, or its folder.")
    ] = None,
    json_: Json = False,
) -> int:
    """Compare the whole audit log with its seals and signed checkpoints; tell what is not as it was, and where."""
    from kjerne.commands.console import comparing
    from kjerne.commands.verifying import verified

    place = {} if data is None else {"dsn" if "://" in data else "data": data}
    settings = settings_of(audit_checkpoints=checkpoints, **place)
    with comparing(quiet=json_) as step:
        told = verified(settings, step, "--data" if "dsn" in place else "KJERNE_DSN")
    say(told.json(), as_json=json_, text=told.readable())
    return {"whole": 0, "behind": BEHIND}.get(told.state, REFUSED)


@kjerne.command()
def check(data: Data = None, json_: Json = False) -> int:
    """Look whether everything a start needs is there: settings, PostgreSQL, definitions, page assets, database."""
    from kjerne.commands.checking import findings

    found = findings(settings_of(data=data))
    marks = {True: "ok     ", False: "missing", None: "unknown"}
    lines = [f"{marks[one.ok]}  {one.what}: {one.says}" for one in found]
    say({"checks": [one.told() for one in found]}, as_json=json_, text="\n".join(lines))
    return REFUSED if any(one.ok is False for one in found) else 0


@guides.command("add")
def guides_add(
    package: Annotated[Path, typer.Argument(help="The .tgz of an FHIR package for R4.")],
    data: Data = None,
    json_: Json = False,
) -> None:
    """Keep a package in the data directory, beside other versions of it."""
    from kjerne.commands.guides import added

    found = added(settings_of(data=data), package)
    counts = ", ".join(f"{count} {kind}" for kind, count in found["definitions"].items())
    lines = [f"no snapshot, so nothing is held against it: {url}" for url in found["withoutSnapshot"]]
    say(found, as_json=json_, text="\n".join([f"{found['name']} {found['version']}: {counts}", *lines]))


@guides.command("list")
def guides_list(data: Data = None, json_: Json = False) -> None:
    """Show the packages that are kept."""
    from kjerne.commands.guides import kept

    found = kept(settings_of(data=data))
    lines = [f"{one['name']} {one['version']}" for one in found]
    say({"packages": found}, as_json=json_, text="\n".join([*lines, f"{len(found)} packages"]))


@guides.command("remove")
def guides_remove(
    name: Annotated[str, typer.Argument(help="The package's name.")],
    version: Annotated[str, typer.Argument(help="Which version of it.")],
    data: Data = None,
    json_: Json = False,
) -> None:
    """Keep a version of a package no more."""
    from kjerne.commands.guides import removed

    found = removed(settings_of(data=data), name, version)
    say(found, as_json=json_, text=f"{name} {version} is kept no more")


@guides.command("validate")
def guides_validate(
    resource: Annotated[Path, typer.Argument(help="A FHIR resource, JSON or XML.")],
    profile: Annotated[
        list[str] | None, typer.Option("--profile", help="Against this one; else those it names.")
    ] = None,
    data: Data = None,
    json_: Json = False,
) -> int:
    """Hold a resource against R4 and against profiles of the packages that are kept."""
    from kjerne.commands.guides import judged, told

    found = judged(settings_of(data=data), resource, profile or [])
    say(found, as_json=json_, text=told(found))
    return 0 if found["right"] else REFUSED


@guides.command("check")
def guides_check(
    number: Annotated[
        int | None,
        typer.Argument(help="An export that was approved (POST /fhir/R4/$export), perhaps with purpose=check."),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Instead: records about no patient of this type; may be repeated."),
    ] = None,
    caller: As = "operator",
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Keeps what was done, so that a run can go on where it was broken off."),
    ] = None,
    json_: Json = False,
) -> int:
    """Hold stored records, of an export or about no patient, against R4 and the profiles of today: counts and ids alone."""
    from kjerne.commands.console import comparing
    from kjerne.commands.rechecking import checked, checked_by_type, told

    if (number is None) == (not types):
        raise Refusal(400, "the number of an export is named, or --type", where="NUMBER")
    if number is None:
        found = checked_by_type(types or [], caller)
    else:
        with comparing(quiet=json_) as step:
            found = checked(number, caller, state, step)
    say(found, as_json=json_, text=told(found))
    return REFUSED if found["wrong"] else 0


@kjerne.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context, json_: Json = False) -> int:
    """Run the benchmarks of this checkout, each beside its floor; further arguments go to them."""
    import subprocess

    folder = Path(__file__).parents[2] / "bench"
    if not (folder / "__main__.py").exists():
        raise Refusal(404, "the benchmarks are in the source checkout, not in the installed package")
    arguments = [*context.args, *(["--json"] if json_ else [])]
    return subprocess.run([sys.executable, str(folder), *arguments], check=False).returncode


@kjerne.callback(invoke_without_command=True)
def _nothing_asked(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
) -> None:
    if version:
        from kjerne import __version__

        print(f"kjerne {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(USAGE)


def _exit_of_many(codes: set[int]) -> int:
    """One exit code for many files: unreachable where any was (the run is worth another try), else the one for all."""
    if UNREACHABLE in codes:
        return UNREACHABLE
    return codes.pop() if len(codes) == 1 else REFUSED if codes else 0


def _field(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise typer.BadParameter("a form field is written name=value", param_hint="--form")
    return name, value


def _headers(texts: Sequence[str]) -> dict[str, str]:
    """Headers by lower-case name; those that the program makes for each request cannot be given."""
    headers: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not sign or not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise typer.BadParameter("a header is written name:value, in printable ASCII", param_hint="--header")
        if name in _MADE_HEADERS:
            raise typer.BadParameter(f"{name} is made for each request, and cannot be given", param_hint="--header")
        if name in headers:
            raise typer.BadParameter(f"{name} is given twice", param_hint="--header")
        headers[name] = value
    return headers


def _body(text: str) -> bytes:
    if text == "@-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{text[1:]} cannot be read: {error.strerror}", param_hint="--body") from error


def _refused(refusal: Refusal) -> int:
    if "--json" in sys.argv:
        told = {"says": refusal.says, "where": refusal.where, "todo": refusal.todo, "status": refusal.status}
        say({"error": {name: value for name, value in told.items() if value}}, as_json=True, text="")
    else:
        print(f"kjerne: {refusal}", file=sys.stderr)
    if refusal.where in _WRITTEN_BY_HAND and refusal.status in (400, 404):
        return USAGE
    return _EXIT_BY_STATUS.get(refusal.status, REFUSED)


if __name__ == "__main__":
    main()
