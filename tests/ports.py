"""A port for a server that a test starts."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

LOWEST: Final = 10_000
RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """One that was free a moment ago, drawn below those that the machine gives to whoever connects or asks for any: between this
    look and the server's start nobody is given it, and another that draws here draws the same once in thousands of times."""
    most = int(RANGE.read_text(encoding="ascii").split()[0]) if RANGE.exists() else 32_768
    chance = random.SystemRandom()
    while True:
        drawn = chance.randrange(LOWEST, most) if most > LOWEST + 1000 else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", drawn))
            except OSError:
                continue
            return int(probe.getsockname()[1])
