"""A fault in a JSON body names the line of its element."""

from __future__ import annotations

import json
import time

from kjerne.errors import Fault
from kjerne.fhir.lines import with_lines

BODY = b"""{
  "resourceType": "Observation",
  "code": {
    "coding": [
      {"system": "urn:x", "code": "a:{b"},
      {"system":
         "urn:y"}
    ],
    "text": "\\"],{"
  },
  "status": "final"
}"""


def line(where: str, body: bytes = BODY) -> int:
    return with_lines([Fault("Wrong.", where)], body, "Observation")[0].line


def test_an_element_is_found_by_its_path() -> None:
    assert [line(f"Observation.{path}") for path in ("code", "code.coding[0].code", "code.coding[1].system")] == [
        3,
        5,
        7,
    ]
    assert line("Observation.code.text") == 9
    assert line("Observation.status") == 11


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    assert line("Observation.code.coding[1].code") == 6
    assert line("Observation.subject") == 1


def test_a_name_may_be_empty() -> None:
    assert line("Observation.status", b'{"": [],\n"": {"": 1},\n"status": 1}') == 3


def test_a_body_on_one_line_has_one_line() -> None:
    assert line("Observation.status", json.dumps(json.loads(BODY)).encode()) == 1


def test_a_body_that_is_deep_is_read_without_recursion() -> None:
    deep = b'{"x":' * 5000 + b"1" + b"}" * 5000
    assert line("Observation" + ".x" * 3, deep) == 1


def test_a_name_as_long_as_the_body_is_not_spelled_for_each_element_below_it() -> None:
    body = json.dumps({"x" * 2_000_000: [0] * 50_000, "status": "final"}).encode()
    before = time.process_time()
    assert line("Observation.colour", body) == 1
    # It took most of a minute: the name was copied for every number.
    assert time.process_time() - before < 5
