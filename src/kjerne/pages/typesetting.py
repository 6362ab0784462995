"""Sets one summary as PDF/UA, in a process of its own: a program that reads JSON and writes a PDF, and knows nothing else.

It is run by its path, apart from the package (`summary_pdf`), so that it imports nothing of the house, holds no key and no
connection, and can be ended. What it is given is data: the template sets it as text.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Final

import typst

TEMPLATE: Final = Path(__file__).with_name("summary.typ")
CPU_SECONDS: Final = 20
MEMORY_BYTES: Final = 3_000_000_000
"""Of addresses: the letters lie in the program itself, and threads ask for more than they use."""


def main() -> None:
    """From standard input to standard output; what goes wrong ends it with a line that repeats nothing of the data."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sent = sys.stdin.buffer.read()
    at = int(json.loads(sent)["at"])
    try:
        made = typst.compile(
            TEMPLATE, root=TEMPLATE.parent, format="pdf", pdf_standards="ua-1", ignore_system_fonts=True,
            sys_inputs={"data": sent.decode()}, timestamp=at,
        )  # fmt: skip
    except typst.TypstError:
        sys.exit("the summary could not be set")
    sys.stdout.buffer.write(made)


if __name__ == "__main__":
    main()
