"""Tables of people who were made up here, with a few plain laws in them that a model must find."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

EVENTS = ("id", "days", "code", "value")


def tables(folder: Path, people: int = 400, seed: int = 1, youngest: int = 20) -> Path:
    """A folder with `events.csv` and `static.csv`.

    Haemoglobin keeps to each person's own level and is lower in women; a birth is a woman's, diabetes comes once and not
    before day 0, and nothing follows a death. Nobody has events after `seen_until`, and nobody is younger than `youngest`.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    people_rows, rows = [], list[tuple[str, int, str, str]]()
    for number in range(people):
        female, age = rng.random() < 0.5, int(rng.integers(youngest, 90))
        until = int(rng.integers(300, 3000))
        weight = "" if rng.random() < 0.2 else f"{rng.normal(70 if female else 84, 9):.1f}"
        people_rows.append((f"p{number}", age, "F" if female else "M", weight, until))
        rows += life(rng, f"p{number}", female=female, age=age, until=until)
    write(folder / "events.csv", EVENTS, rows)
    write(folder / "static.csv", ("id", "age", "sex", "weight", "seen_until"), people_rows)
    return folder


def life(
    rng: np.random.Generator, person: str, *, female: bool, age: int, until: int
) -> list[tuple[str, int, str, str]]:
    """The events of one person."""
    day, level, diabetic = int(rng.integers(-600, 0)), rng.normal(13 if female else 15, 1), False
    rows = []
    while day <= until and len(rows) < 20:
        rows.append((person, day, "hb", f"{level + rng.normal(0, 0.3):.1f}"))
        if rng.random() < 0.4:
            rows.append((person, day, "smoker", str(int(rng.random() < 0.3))))
        if female and 20 <= age < 50 and rng.random() < 0.1:
            rows.append((person, day, "birth", ""))
        if not diabetic and day >= 0 and rng.random() < 0.15:
            rows.append((person, day, "diabetes", ""))
            diabetic = True
        day += int(rng.choice([7, 90, 365]) + rng.integers(0, 20))
    if rng.random() < 0.2 and day <= until:
        rows.append((person, day, "death", ""))
    return rows


def write(path: Path, head: tuple[str, ...], rows: list[tuple[object, ...]] | list[tuple[str, int, str, str]]) -> None:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(head)
        table.writerows(rows)
