"""`make judge-sql-on-fhir`: the tests that SQL on FHIR publishes, against our views; ends with `N/M`.

The folder of its JSON files (`tests/` of the specification's repository) is `KJERNE_SQL_ON_FHIR`, or lies beside the checkout
as `shared/data/sql-on-fhir`. Each test runs a view over the file's resources and compares the rows, whatever their order; one
that wants an error wants the view refused, or the run.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from kjerne.errors import Refusal
from kjerne.fhir.views.columns import Misfit
from kjerne.fhir.views.definition import read
from kjerne.fhir.views.running import runner

BESIDE: Final = Path(__file__).parents[2] / "shared" / "data" / "sql-on-fhir"
NOW: Final = datetime(2026, 11, 26, tzinfo=UTC)


class Judged(NamedTuple):
    """One test: `wrong` says how it came out otherwise, and is empty where it passed."""

    file: str
    title: str
    wrong: str


def folder() -> Path | None:
    """Where the official tests lie; None where they are not at hand."""
    named = os.environ.get("KJERNE_SQL_ON_FHIR", "")
    place = Path(named) if named else BESIDE
    inner = place / "tests"
    place = inner if inner.is_dir() else place
    return place if any(place.glob("*.json")) else None


def judged(place: Path) -> Iterator[Judged]:
    """Every test of every file."""
    for file in sorted(place.glob("*.json")):
        suite = json.loads(file.read_text("utf-8"), parse_float=Decimal)
        for test in suite.get("tests", ()) if isinstance(suite, dict) else ():
            yield Judged(file.name, test["title"], wrong(test, suite["resources"]))


def wrong(test: dict[str, Any], resources: list[dict[str, Any]]) -> str:
    """What is otherwise than a test wants."""
    try:
        view = read(test["view"])
        run = runner(view, NOW)
        found = [row for one in resources if one["resourceType"] == view.resource for row in run(one)]
    except (Refusal, Misfit) as refused:
        return "" if test.get("expectError") else f"refused: {refused.says} ({refused.where})"
    if test.get("expectError"):
        return "it is refused nowhere"
    names = [column.name for column in view.columns]
    if "expectColumns" in test and names != test["expectColumns"]:
        return f"the columns are {names}"
    if "expectCount" in test and len(found) != test["expectCount"]:
        return f"{len(found)} rows"
    told = [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in found]
    wanted = [{name: value for name, value in row.items() if value is not None} for row in test.get("expect", ())]
    if "expect" in test and _counted(told) != _counted(wanted):
        return f"{told} instead of {wanted}"
    return ""


def _counted(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(repr(sorted((name, _plain(value)) for name, value in row.items())) for row in rows)


def _plain(value: Any) -> Any:
    if type(value) is list:
        return [_plain(one) for one in value]
    return str(Decimal(value).normalize()) if type(value) in (int, Decimal) else repr(value)


def main() -> None:
    place = folder()
    if place is None:
        sys.exit("the official tests are not at hand: KJERNE_SQL_ON_FHIR names the folder of their JSON files")
    found = list(judged(place))
    passed = Counter(one.file for one in found if not one.wrong)
    for file, number in Counter(one.file for one in found).items():
        print(f"{file:<26} {passed[file]:>3} of {number}")
    for one in found:
        if one.wrong:
            print(f"{one.file}: {one.title}\n  {one.wrong}")
    print(f"{sum(passed.values())}/{len(found)}")
    sys.exit(sum(passed.values()) != len(found))


if __name__ == "__main__":
    main()
