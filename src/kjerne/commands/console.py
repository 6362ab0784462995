"""What a person sees in the terminal: progress on long work, the addresses to open, tables."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kjerne.commands.asking import HOME

if TYPE_CHECKING:  # `kjerne load` needs the bar, not the sandbox
    from kjerne.sandbox.up import Standing


LINE_SECONDS: Final = 5.0
"""Between two lines that say how far a long work has come, where nobody sees a bar."""


def standing(*, as_json: bool) -> Callable[[Standing], None]:
    """How the platform says that it stands: the addresses to open and a first call to try."""

    def say(told: Standing) -> None:
        if as_json:
            print(
                json.dumps(
                    {
                        "url": told.url,
                        "pages": {
                            "clinician": f"{told.url}/clinician",
                            "citizen": f"{told.url}/me",
                            "operator": f"{told.url}/operations",
                            "integrator": f"{told.url}/sandbox",
                        },
                        "people": told.people,
                        "seconds": round(told.seconds, 1),
                        "patient": told.patient,
                        "sources": [{"title": title, "url": url} for title, url in told.sources],
                        "try": _first_call(told),
                        **({"note": told.note} if told.note else {}),
                    }
                ),
                flush=True,
            )
            return
        note = f"{told.note}\n" if told.note else ""
        print(
            f"kjerne stands after {told.seconds:.1f} s with {told.people} synthetic people\n{note}\n"
            f"  clinician   {told.url}/clinician\n"
            f"  citizen     {told.url}/me\n"
            f"  operator    {told.url}/operations\n"
            f"  integrator  {told.url}/sandbox\n"
            f"  interface   {told.url}/fhir/R4/metadata\n"
            f"{_sources(told)}\n"
            f"  try         {_first_call(told)}\n"
            f"              {_at(told)}{_command()} personas\n\n"
            "Ctrl-C stops it; the data stays.",
            flush=True,
        )

    return say


@contextlib.contextmanager
def peopling() -> Iterator[Callable[[int, int, str], None]]:
    """Progress of making the synthetic people on standard error, called with done, total and what: a bar for a person, else a
    line every few seconds."""
    if not sys.stderr.isatty():
        yield _lines(time.monotonic)
        return
    with _bar(quiet=False) as bar:
        tasks: dict[str, TaskID] = {}

        def step(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)
            if all(task.finished for task in bar.tasks):
                bar.refresh()

        yield step


@contextlib.contextmanager
def sending(files: int, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """A bar for sending `files` files; the value is called after each."""
    with _bar(quiet=quiet) as bar:
        task = bar.add_task("messages", total=files)
        yield lambda: bar.advance(task)


@contextlib.contextmanager
def comparing(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar for comparing the log with its seals, called with rows done and rows in all."""
    with _bar(quiet=quiet) as bar:
        task = bar.add_task("rows", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def loading(*, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Bars for what is loaded from files, called with done, total and what is counted."""
    with _bar(quiet=quiet) as bar:
        tasks: dict[str, TaskID] = {}

        def step(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield step


def persona_table(personas: Sequence[Mapping[str, str]]) -> str:
    """The personas in columns. Nothing is cut to the terminal's width: a name is there to be copied."""
    head = {
        "name": "name",
        "kind": "kind",
        "role": "role",
        "nin": "number",
        "hpr": "HPR",
        "organisation": "organisation",
    }
    rows = [[str(one.get(key, "")) for key in head] for one in (head, *personas)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _lines(clock: Callable[[], float]) -> Callable[[int, int, str], None]:
    told = clock()

    def step(done: int, total: int, what: str) -> None:
        nonlocal told
        if clock() - told >= LINE_SECONDS:
            told = clock()
            print(f"kjerne: {done} of {total} {what}", file=sys.stderr, flush=True)

    return step


def _bar(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=quiet or not sys.stderr.isatty(), transient=True)


def _at(told: Standing) -> str:
    """What a client command needs in front of it to find this platform."""
    return "" if told.url == HOME else f"KJERNE_URL={told.url} "


def _sources(told: Standing) -> str:
    """Who else has been started."""
    heads = ["documents", *[""] * len(told.sources)]
    return "".join(f"  {head:<10}  {url}  {title}\n" for head, (title, url) in zip(heads, told.sources, strict=False))


def _first_call(told: Standing) -> str:
    return f"{_at(told)}{_command()} call POST /pps/v2/Observation/_search --as gp --patient citizen"


def _command() -> str:
    """The program as the reader has called it: by name where that is what it is found by, by its path, or by its module."""
    started = Path(sys.argv[0])
    if "-m" in sys.orig_argv and started.suffix == ".py":
        return f"{sys.orig_argv[0]} -m {sys.orig_argv[sys.orig_argv.index('-m') + 1]}"
    found = shutil.which(started.name)
    return started.name if found and Path(found).resolve() == started.resolve() else str(started)
