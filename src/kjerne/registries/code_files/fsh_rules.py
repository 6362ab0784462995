"""The words of a rule in FHIR Shorthand: texts, codes, values, and paths with indices (`property[+].code`)."""

from __future__ import annotations

import re
from typing import Any, Final

_TOKEN: Final = re.compile(
    r'"""(?:.|\n)*?"""|[^\s"]*#"(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*"|/(?:[^/\\\n]|\\.)+/(?=\s|$)|\S+', re.DOTALL
)
_STEP: Final = re.compile(r"([A-Za-z]+)(?:\[x\])?(?:\[(\d{1,4}|\+|=)\])?", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)")
_NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_PLAIN: Final = frozenset({"display", "definition", "url", "version", "title", "description"})


class Misread(Exception):
    """A rule that cannot be read, and why."""


def tokens(text: str) -> list[str]:
    """The words of a rule; a text between quotes is one."""
    return _TOKEN.findall(text.strip())


def code_of(word: str, aliases: dict[str, str]) -> tuple[str, str, str]:
    """(system, version, code) of `system|version#code`; system and version may be empty, and the code stand in quotes."""
    place, _, code = word.partition("#")
    address, _, version = aliases.get(place, place).partition("|")
    if place and ":" not in address:
        raise Misread("the system is no address and no alias")
    code = _text(code) if code.startswith('"') else code
    if not code:
        raise Misread("the code is empty")
    return address, version, code


def value_of(words: list[str], aliases: dict[str, str]) -> Any:
    """What `= value` says: a text, a truth, a number, a code or a Coding, an address."""
    if len(words) < 2 or words[0] != "=":
        raise Misread("a path is followed by = and a value")
    word = words[1]
    if word.startswith('"'):
        return _text(word)
    if word in ("true", "false"):
        return word == "true"
    if _NUMBER.fullmatch(word):
        return float(word) if "." in word else int(word)
    if "#" in word:
        system, version, code = code_of(word, aliases)
        if not system:
            return code
        coding = {"system": system, "code": code} | ({"version": version} if version else {})
        return coding | ({"display": _text(words[2])} if words[2:3] and words[2].startswith('"') else {})
    return aliases.get(word, word)


def path_set(tree: dict[str, Any], path: str, value: Any) -> None:
    """Sets what a path leads to. `[+]` begins the next of a list, `[=]` goes on with the last."""
    node: Any = tree
    steps = path.split(".")
    for place, step in enumerate(steps):
        found = _STEP.fullmatch(step)
        if found is None:
            raise Misread("the path has a step that is none")
        name, index = found[1], found[2]
        last = place == len(steps) - 1
        if index is None and last:
            node[name] = value
            return
        if index is None:
            node = node.setdefault(name, {})
        else:
            many = node.setdefault(name, [])
            if not isinstance(many, list):
                raise Misread("the path has an index where there is no list")
            at = len(many) if index == "+" else len(many) - 1 if index == "=" else int(index)
            if not 0 <= at <= len(many):
                raise Misread("the path has an index without what is before it")
            if at == len(many):
                many.append({})
            if last:
                many[at] = value
                return
            node = many[at]
        if not isinstance(node, dict):
            raise Misread("the path goes on behind a value")


def _text(word: str) -> str:
    if word.startswith('"""'):
        return word[3:-3].strip()
    return _ESCAPED.sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), word[1:-1])
