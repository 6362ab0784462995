"""Files that only the program's own user may read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def made_once(path: Path, content: bytes) -> None:
    """The file, whole (mode 0600), and its folder (0700). Where another process makes one in the same moment, that one counts."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    part.unlink()
