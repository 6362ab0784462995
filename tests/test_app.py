from __future__ import annotations
from platform_fixture import Standing

def test_x(platform: Standing) -> None:
    a = platform.search("Observation", [("_count", "5")])
    print(a.status, a.tree)
    print(platform.audited(a.response))
