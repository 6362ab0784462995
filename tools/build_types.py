"""Write docs/types.md from the table of homes (`kjerne.registries.homes`), or check that it is up to date (`--check`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from kjerne.registries.homes import HOMES, SECOND, Home, Kind

PAGE: Final = Path(__file__).parents[1] / "docs" / "types.md"
HEAD: Final = """# Where each type has its home

Made by `tools/build_types.py` from `src/kjerne/registries/homes.py`; a test fails when the two differ. Every type of R4 has one
home. A *patient's* type belongs to one service: that service's law ([law.md](law.md)) is asked about it, and its records are
sealed with that service's key about the patient, so that an opt-out deletes them and nothing else. Two of them have a second
service, under whose law lies what is no critical information ([decision 40](decisions/0040-two-services-of-one-type.md)).
A *registry's* is about no one patient, a *space's* is the same for all who use one installation: both lie open to everybody who
may read anything here, and who may change a record is the source that wrote it ([decision
33](decisions/0033-records-about-no-patient.md)). A patient's record that names another patient has its home with whom it is
about, and is found in the other's record too ([decision 57](decisions/0057-a-record-that-names-another-patient.md)). What is
not served under `/fhir/R4` is answered with 404, its home and the reason below. The abstract types Resource and DomainResource
have no records."""
TITLES: Final[dict[Kind, str]] = {
    "patient": "With the patient",
    "registry": "In a registry",
    "space": "In a space",
    "none": "Nowhere",
}


def generated() -> str:
    """The whole page."""
    lines = [HEAD]
    for kind, title in TITLES.items():
        homes = sorted({home for home in HOMES.values() if home.kind == kind}, key=_place)
        lines += ["", f"## {title}", "", *_table(kind, homes)]
    return "\n".join(lines) + "\n"


def _place(home: Home) -> tuple[bool, str, str]:
    return not home.served, home.service, home.why


def _table(kind: Kind, homes: list[Home]) -> Iterator[str]:
    if kind == "patient":
        yield "| service | types | served as records | remark |"
        yield "|---|---|---|---|"
        for service in sorted(set(SECOND.values())):
            names = ", ".join(name for name, second in SECOND.items() if second == service)
            yield f"| {service} | {names} | yes | what is no critical information |"
        for home in homes:
            yield f"| {home.service} | {_types(home)} | {'yes' if home.served else 'no'} | {home.why} |"
        return
    if kind == "none":
        yield "| types | why they have no home |"
        yield "|---|---|"
        yield from (f"| {_types(home)} | {home.why} |" for home in homes)
        return
    yield "| types | served as records | what they are, or why they are not served |"
    yield "|---|---|---|"
    yield from (f"| {_types(home)} | {'yes' if home.served else 'no'} | {home.why} |" for home in homes)


def _types(home: Home) -> str:
    return ", ".join(name for name, one in HOMES.items() if one == home)


def main() -> int:
    page = generated()
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") == page:
            return 0
        print(f"{PAGE} is stale", file=sys.stderr)
        return 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
