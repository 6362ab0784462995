"""What is in the files that were named: code systems and definitions, each told by content and ready to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.fhir.systems import canonical
from kjerne.fhir.terminology.parts import LOINC, SNOMED, Part
from kjerne.fhir.terminology.sound import is_sound
from kjerne.registries.code_files import claml, fest, fsh, loinc, resources, rf2, tables, trees, workbook
from kjerne.registries.code_files.sources import Source, digest, sources

Meter = Callable[[int], None]
FORM: Final = "1"
"""Of the parts that are read from files: another makes what was loaded load anew."""
KNOWN: Final = "SNOMED CT RF2, LOINC csv, ClaML, ATC, FEST, NLK, NPU, FHIR Shorthand and FHIR JSON"


@dataclass(frozen=True)
class System:
    """One version of a code system. `digest` is the same for the same files; `parts` reads them."""

    kind: str
    url: str
    version: str
    name: str
    digest: bytes
    used: tuple[Source, ...]
    parts: Callable[[Meter], Iterator[Part]]


@dataclass(frozen=True)
class Definition:
    """A ValueSet or ConceptMap, or a CodeSystem that has not all its codes."""

    resource: dict[str, Any]
    used: tuple[Source, ...]


Found = System | Definition


@dataclass(frozen=True)
class Given:
    """What is said by hand where a file does not say it."""

    address: str = ""
    version: str = ""


def found(paths: Sequence[Path], given: Given) -> list[Found]:
    """Everything in the paths. `Refusal` where a path has nothing that is known, or something that cannot be told."""
    snomed: list[tuple[str, Source]] = []
    lab: list[tuple[str, Source]] = []
    made: list[Found] = []
    for path in paths:
        count = len(snomed) + len(lab) + len(made)
        for source in sources(path):
            head = b"" if workbook.is_one(source) else source.head()
            if what := rf2.kind(head):
                snomed += _of_snapshot(what, source, alone=source.path == path and not source.member)
            elif head and (what := loinc.kind(source, head)):
                lab.append((what, source))
            else:
                made += _other(source, head, given)
        if count == len(snomed) + len(lab) + len(made):
            raise Refusal(
                422,
                "there is nothing in it that is known",
                where=str(path),
                todo=f"It may be {KNOWN}; a package of FHIR goes to kjerne ig add.",
            )
    return [*_snomed(snomed, given), *_loinc(lab, given), *made]


def _of_snapshot(what: str, source: Source, *, alone: bool) -> list[tuple[str, Source]]:
    if rf2.is_snapshot(source):
        return [(what, source)]
    if alone:
        raise source.refused("it is of the Full or the Delta release: the Snapshot is what is loaded")
    return []


def _snomed(files: list[tuple[str, Source]], given: Given) -> list[Found]:
    if not files:
        return []
    used = tuple(source for _, source in files)
    for needed in ("concept", "description", "relationship"):
        if needed not in {what for what, _ in files}:
            raise used[0].refused(f"the release has no file of its Snapshot with a {needed} in each line")
    version = given.version or rf2.version(files)
    return [System("SNOMED CT RF2", SNOMED, version, "SNOMED CT", digest(used, FORM), used, partial(rf2.parts, files))]


def _loinc(files: list[tuple[str, Source]], given: Given) -> list[Found]:
    if not files:
        return []
    used = tuple(source for _, source in files)
    if sum(what == "codes" for what, _ in files) != 1:
        raise used[0].refused("one Loinc.csv is loaded, with the files that go with it")
    version = given.version or loinc.version(files)
    return [System("LOINC", LOINC, version, "LOINC", digest(used, FORM), used, partial(loinc.parts, files))]


def _other(source: Source, head: bytes, given: Given) -> Iterator[Found]:
    if fsh.is_one(source, head):
        yield from _defined(source, fsh.resources(source, _unwatched, given.address), "FSH", given)
    elif resources.is_one(head):
        yield from _defined(source, resources.resources(source, _unwatched), "FHIR JSON", given)
    elif (root := trees.root(head)) == "ClaML":
        yield _claml(source, given)
    elif root == "FEST":
        version = given.version or fest.version(source)
        for url, name in ((fest.SUBSTANCES, "FEST virkestoff"), (fest.MEDICINES, "FEST legemiddel"), (fest.ATC, "ATC")):
            if fest.holds(source, url):
                read = partial(_of_fest, source, url)
                yield System("FEST", url, version, name, digest((source,), FORM + url), (source,), read)
    elif (shape := tables.shape(source)) is not None:
        version = given.version or tables.version(source)
        if not version:
            raise source.refused("neither the file nor its name says which version it is: give it by --version")
        read = partial(_of_table, source, shape)
        yield System("table", given.address or shape.url, version, shape.name, digest((source,), FORM), (source,), read)


def _of_fest(source: Source, url: str, meter: Meter) -> Iterator[Part]:
    return fest.parts(source, meter, url)


def _of_table(source: Source, shape: tables.Shape, meter: Meter) -> Iterator[Part]:
    return tables.parts(source, meter, shape)


def _claml(source: Source, given: Given) -> System:
    head = claml.head(source)
    url, version = given.address or head.url, given.version or head.version
    if not url or not version:
        what = (
            "classification it is: give its address by --address" if not url else "version it is: give it by --version"
        )
        raise source.refused(f"the file does not say which {what}")
    return System("ClaML", url, version, head.name, digest((source,), FORM), (source,), partial(claml.parts, source))


def _defined(source: Source, every: list[dict[str, Any]], kind: str, given: Given) -> Iterator[Found]:
    for one in every:
        url = one.get("url")
        if not isinstance(url, str) or not url:
            raise source.refused(f"a {one['resourceType']} has no url")
        if not is_sound(one):
            raise source.refused(f"a {one['resourceType']} has not the shape that R4 gives it")
        if given.version:
            one["version"] = given.version
        if one["resourceType"] == "CodeSystem" and one.get("content") == "complete":
            name = str(one.get("title") or one.get("name") or url)
            version, read = str(one.get("version", "")), partial(_of_resource, one)
            yield System(kind, canonical(url), version, name, digest((source,), FORM + url), (source,), read)
        else:
            yield Definition(one, (source,))


def _of_resource(resource: dict[str, Any], _: Meter) -> Iterator[Part]:
    return resources.parts(resource)


def _unwatched(_: int) -> None:
    """A file of definitions is read at once, before there is anything to show."""
