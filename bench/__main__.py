"""`kjerne bench`, `make bench`: all benchmarks in one run, told as a table.

`--short` only sees that everything works. `--write` keeps the table in docs/figures.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import NoReturn

import host
import run
import table


class _Parser(argparse.ArgumentParser):
    """Says what was written wrongly as JSON where JSON was asked for."""

    def error(self, message: str) -> NoReturn:
        if "--json" not in sys.argv:
            super().error(message)
        told = {"error": {"says": message, "todo": " ".join(self.format_usage().split()), "status": 400}}
        sys.stdout.write(json.dumps(told) + "\n")
        self.exit(2)


def main() -> None:
    parser = _Parser(prog="kjerne bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one round of a second: figures that mean little")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each comparison")
    parser.add_argument("--seconds", type=float, default=0.0, help="seconds of each round")
    parser.add_argument("--json", action="store_true", help="everything measured, as one JSON document")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/figures.md")
    given = parser.parse_args()
    extent = run.SHORT if given.short else run.Extent()
    changed = {name: value for name, value in (("rounds", given.rounds), ("seconds", given.seconds)) if value}
    report = run.measure(dataclasses.replace(extent, **changed))
    text = table.markdown(report)
    if given.write:
        (host.ROOT / "docs" / "figures.md").write_text(text, encoding="utf-8")
    sys.stdout.write(table.as_json(report) + "\n" if given.json else text)


if __name__ == "__main__":
    main()
