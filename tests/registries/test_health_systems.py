"""Which clinicians' systems an operator has registered, and what stands there that is not taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from kjerne.errors import Refusal
from kjerne.registries.health_systems import HealthSystem, HealthSystems

ENTRY = '[[ehr]]\nclient = "ehr-sundvika"\n'


def written(tmp_path: Path, text: str, *, sandbox: bool = False) -> HealthSystems:
    file = tmp_path / "ehrs.toml"
    file.write_text(text)
    return HealthSystems(file, sandbox=sandbox)


def test_a_system_is_found_by_its_client_and_by_its_issuer(tmp_path: Path) -> None:
    systems = written(
        tmp_path,
        ENTRY + 'origins = ["https://ehr.example:8443"]\nopen = "https://ehr.example/open"\n'
        'fhir = "https://ehr.example/fhir/R4/"\napp = "kjerne"\n',
    )
    found = HealthSystem(
        "ehr-sundvika",
        ("https://ehr.example:8443",),
        "https://ehr.example/open",
        "https://ehr.example/fhir/R4/",
        "kjerne",
    )
    assert systems.of("ehr-sundvika") == systems.launching("https://ehr.example/fhir/R4") == found
    assert systems.of("another") == HealthSystem("another")
    assert systems.launching("https://other.example/fhir/R4") is systems.launching("") is None


@pytest.mark.parametrize(
    "more",
    [
        'origins = ["http://ehr.example"]', 'origins = ["https://ehr.example/path"]', 'origins = "https://ehr.example"',
        "origins = [\"https://ehr.example; script-src 'unsafe-inline'\"]", 'origins = ["*"]', 'open = "javascript:alert(1)"',
        'open = "https://ehr.example/\\"onload"', "open = 1", 'fhir = "https://ehr.example/fhir"', 'app = "kjerne"',
        'another = "x"', 'client = ""',
    ],
)  # fmt: skip
def test_an_entry_that_could_be_read_in_two_ways_is_refused_with_its_number(tmp_path: Path, more: str) -> None:
    text = f"[[ehr]]\n{more}\n" if more.startswith("client") else ENTRY + more + "\n"
    systems = written(tmp_path, text)
    with pytest.raises(Refusal) as caught:
        systems.read()
    assert "ehr 1" in caught.value.where
    assert systems.all() == ()


def test_a_sandbox_lets_an_address_of_this_machine_do_without_tls(tmp_path: Path) -> None:
    text = ENTRY + 'origins = ["http://127.0.0.1:8100"]\n'
    assert written(tmp_path, text, sandbox=True).of("ehr-sundvika").origins == ("http://127.0.0.1:8100",)
    assert written(tmp_path, text).all() == ()
