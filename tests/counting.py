"""How much work something is, counted and not timed: two sizes compared tell how it grows, on any machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(work: Callable[[], object]) -> int:
    """The steps of the interpreter that a call takes, those of all it calls among them; what runs in C counts as one."""
    count = 0

    def traced(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def growth(work: Callable[[int], object], size: int) -> float:
    """How many times the work of `size` twice `size` is, once what is made ready at first use is ready: near 2 is linear."""
    work(size)
    work(2 * size)
    return steps(lambda: work(2 * size)) / steps(lambda: work(size))
