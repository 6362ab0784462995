"""An application answered by several processes, as `kjerne serve --workers N` does it: `python serving.py WHAT N`.

`kjerne` is the whole platform over a database that stands already, `floor` the bare application beside it. Where they find
it stands in the environment (`KJERNE_DSN`, `KJERNE_PORT` ...).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import floor
from uvicorn.supervisors import Multiprocess

from kjerne import server
from kjerne.sandbox import platform
from kjerne.settings import Settings


def kjerne() -> Any:
    """The platform in one worker."""
    server.log_to(level=30)
    return platform.build(Settings(mode="sandbox"))


APPLICATIONS: Final[Mapping[str, Callable[[], Any]]] = {"kjerne": kjerne, "floor": floor.application}


def main(what: str, workers: int) -> None:
    """Answer until told to stop."""
    with contextlib.closing(server.listening(Settings())) as listener:
        if workers == 1:
            server.run(server.serve(APPLICATIONS[what](), listener))
            return
        made = APPLICATIONS[what]
        name = "serving:kjerne" if what == "kjerne" else f"{made.__module__}:{made.__name__}"
        Multiprocess(server.configuration(name, factory=True, workers=workers), sockets=[listener]).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
