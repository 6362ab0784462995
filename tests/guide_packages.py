"""Packages and profiles for tests, made here."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kjerne.fhir import packages
from kjerne.fhir.packages import Package


def package(*resources: dict[str, Any], name: str = "test.guide", version: str = "1.0.0", fhir: str = "4.0.1") -> bytes:
    """The bytes of a package that holds the resources."""
    files = {"package.json": {"name": name, "version": version, "fhirVersions": [fhir]}}
    files |= {f"{one['resourceType']}-{number}.json": one for number, one in enumerate(resources)}
    return archive({f"package/{name}": json.dumps(value).encode() for name, value in files.items()})


def archive(files: dict[str, bytes]) -> bytes:
    """A .tgz of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            made.addfile(member, io.BytesIO(raw))
    return out.getvalue()


def profile(type: str, *elements: dict[str, Any], url: str = "http://example.org/profile") -> dict[str, Any]:
    """A profile whose snapshot has the elements beside its root."""
    rows = [{"id": type, "path": type, "min": 0, "max": "*"}, *elements]
    return {
        "resourceType": "StructureDefinition", "url": url, "name": "X", "status": "active", "kind": "resource",
        "abstract": False, "type": type, "derivation": "constraint", "snapshot": {"element": rows},
    }  # fmt: skip


def element(id: str, least: int = 0, most: str = "*", **more: Any) -> dict[str, Any]:
    """One element of a snapshot, by its id."""
    path = ".".join(step.partition(":")[0] for step in id.split("."))
    named = {"sliceName": id.rpartition(":")[2]} if ":" in id.rpartition(".")[2] else {}
    return {"id": id, "path": path, "min": least, "max": most} | named | more


@dataclass(frozen=True)
class Held:
    """What packages define, held in memory."""

    by_address: dict[str, dict[str, dict[str, Any]]]

    def find(self, canonical: str) -> dict[str, Any] | None:
        address, _, version = canonical.partition("|")
        versions = self.by_address.get(address, {})
        return versions.get(version or max(versions, key=packages.order, default=""))


def joined(every: Iterable[Package]) -> Held:
    """What packages define together."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for one in every:
        for resource in one.resources:
            found.setdefault(resource["url"], {})[str(resource.get("version") or one.version)] = resource
    return Held(found)
