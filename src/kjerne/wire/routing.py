"""From method and path to one route of the table, and from a service's own host name to its prefix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kjerne.errors import Refusal
from kjerne.exchange import Route

# A client that can only set a host reaches a service at the root of a host of its own.
PREFIX_BY_HOST: Final = {
    "pps": "/pps",
    "critical-information": "/api/critical-information",
    "pmd": "/pmd",
    "phr": "/phr",
    "maternity": "/maternity-record",
    "ncp": "/ncp",
    "fhir": "/fhir/R4",
    "sts": "/sts",
}


_FHIR: Final = ("/fhir/R4/", "/pps/v2/")
"""Under these a path may end in a slash that says nothing: clients join the base and a type with one behind."""


def prefixed(host: str, path: str) -> str:
    """The path in the one table: `pps.localhost/v2/metadata` is `/pps/v2/metadata`."""
    label, _, rest = host.partition(":")[0].partition(".")
    prefix = PREFIX_BY_HOST.get(label.lower()) if rest else None
    return prefix + path if prefix and not path.startswith(prefix + "/") else path


class Router:
    """The route table, compiled: exact paths by dictionary, those with parts by an expression each, sorted by their depth."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._parts: dict[int, list[tuple[str, re.Pattern[str], str, dict[str, Route]]]] = {}
        for route in routes:
            methods = self._methods(route.path)
            if route.method in methods:
                raise ValueError(f"two routes for {route.method} {route.path}")
            methods[route.method] = route

    def _methods(self, path: str) -> dict[str, Route]:
        if "{" not in path:
            return self._exact.setdefault(path, {})
        beside = self._parts.setdefault(path.count("/"), [])
        for _, _, known, methods in beside:
            if known == path:
                return methods
        pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        made: dict[str, Route] = {}
        beside.append((path.partition("{")[0], pattern, path, made))
        return made

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and its path parts; `Refusal` 404 for an unknown path, 405 (with Allow) for a wrong method."""
        if path.startswith(_FHIR) and path[-1] == "/" != path[-2] and path not in self._exact:
            path = path[:-1]
        allowed: dict[str, Route] = {}
        exact = self._exact.get(path)
        if exact is not None:
            if route := _chosen(exact, method):
                return route, {}
            allowed |= exact
        for beginning, pattern, _, methods in self._parts.get(path.count("/"), ()):
            if path.startswith(beginning) and (match := pattern.fullmatch(path)):
                if route := _chosen(methods, method):
                    return route, match.groupdict()
                allowed |= methods
        if allowed:
            names = ", ".join(sorted(allowed))
            raise Refusal(405, f"this address takes {names}", where="method", headers=(("allow", names),))
        raise Refusal(404, "there is nothing at this address", where="path")


def _chosen(methods: dict[str, Route], method: str) -> Route | None:
    return methods.get("GET" if method == "HEAD" and "HEAD" not in methods else method)
