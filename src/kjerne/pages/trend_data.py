"""What the script draws a trend from, as JSON in an attribute; the picture made here says the same without script."""

from __future__ import annotations

import json

from kjerne.pages import charts, formats
from kjerne.pages.words import Language, say
from kjerne.services.results.trends import Series


def plot(series: Series, language: Language) -> str:
    """Times in seconds, values, range edges and what is shown at each point. Open points ("<5") stand in a line of their own."""
    points = charts.plotted(series)
    shown = {
        "times": charts.places(points),
        "closed": [None if p.value.comparator else float(p.value.number) for p in points if p.value.number is not None],
        "open": [float(p.value.number) if p.value.comparator else None for p in points if p.value.number is not None],
        "low": [None if p.range.low is None else float(p.range.low) for p in points],
        "high": [None if p.range.high is None else float(p.range.high) for p in points],
        "flags": [p.flag.kind if p.flag else "" for p in points],
        "labels": [
            f"{formats.moment(p.when, language)}: {formats.value(p.value, language)} {series.unit}"
            + (f" – {say(language, f'value.{p.flag.name}')}" if p.flag else "")
            + (f" – {p.words}" if p.words else "")
            for p in points
        ],
        "comma": language != "en",
        "locale": {"nb": "nb-NO", "nn": "nn-NO", "se": "se-NO", "en": "en-GB"}[language],
    }
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
