"""After fitting: what is common is made as common in what the model makes as it was in what it learned from.

A network that is a little wrong at each step is more so after twenty. So a model samples some people of its own, and the
biases of the outcomes of gap, code and start go by the logarithm of how much rarer or commoner they came out. Nobody held out
is looked at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.copies import events_told
from kjerne.services.synthetic.network import Network
from kjerne.services.synthetic.people_model import END, GAPS, Model
from kjerne.services.synthetic.sampling import block, joined
from kjerne.services.synthetic.streams import Streams

ROUNDS: Final = 4
BLOCKS: Final = 3
FURTHEST: Final = 0.5
"""Most that one round moves a bias."""
DOUBT: Final = 5.0
"""As many of each outcome are added on both sides, so that chance moves little."""


def tuned(model: Model, cohort: Cohort, seed: int) -> Model:
    """The model with its biases moved."""
    wanted = _counts(model, cohort)
    for turn in range(ROUNDS):
        streams = Streams(f"tuning {turn}", seed)
        own = joined([block(model, streams, number, None) for number in range(BLOCKS)])
        found = _counts(model, own)
        pace = 2 / (2 + turn)  # smaller later, so that chance in the last samples weighs less
        moved = {name: _moved(getattr(model, name), wanted[name], found[name], pace) for name in wanted}
        model = replace(model, start=moved["start"], gap=moved["gap"], code=moved["code"])
    return model


def _counts(model: Model, cohort: Cohort) -> dict[str, NDArray[np.float64]]:
    """How often each outcome came."""
    _, told = events_told(model, cohort)
    begins = cohort.first[:-1][cohort.lengths > 0]
    later = np.ones(len(told), np.bool_)
    later[begins] = False
    gaps = np.bincount(told[later].astype(np.int64), minlength=GAPS + len(model.gaps.low)).astype(np.float64)
    gaps[END] = len(begins)
    cells = 1 + model.starts.cells(cohort.times[begins].astype(np.float64))
    starts = np.bincount(cells, minlength=1 + len(model.starts.low)).astype(np.float64)
    starts[0] = cohort.people - len(begins)
    return {
        "start": starts,
        "gap": gaps,
        "code": np.bincount(cohort.code, minlength=len(model.codes)).astype(np.float64),
    }


def _moved(network: Network, wanted: NDArray[np.float64], found: NDArray[np.float64], pace: float) -> Network:
    *layers, (weights, bias) = network.layers
    found = found * (wanted.sum() / max(found.sum(), 1))
    step = np.clip(np.log((wanted + DOUBT) / (found + DOUBT)), -FURTHEST, FURTHEST)
    return Network([*layers, (weights, bias + (pace * step).astype(np.float32))])
