"""FHIR Shorthand: value sets and code systems of `.fsh` files, made into the resources that they stand for (FSH 3.0).

Other definitions are passed over. What is inserted from elsewhere is not followed, and so refused: codes would be missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from kjerne.registries.code_files.fsh_rules import Misread, code_of, path_set, tokens, value_of
from kjerne.registries.code_files.sources import Source

Tree = dict[str, Any]
_HEADER: Final = re.compile(
    r"(Alias|Profile|Extension|Invariant|Instance|ValueSet|CodeSystem|RuleSet|Mapping|Logical|Resource)\s*:\s*(.*)"
)
_FIELD: Final = re.compile(r"(Id|Title|Description|Parent|Usage|InstanceOf)\s*:\s*(.*)", re.DOTALL)
_ALIAS: Final = re.compile(r"(\$?[\w\-.]+)\s*=\s*(\S+)")
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))//[^\n]*$")
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_ASKED: Final = frozenset(
    "resourceType url version name title status experimental date publisher description copyright content caseSensitive "
    "hierarchyMeaning compositional versionNeeded compose concept".split()
)
_OPERATORS: Final = frozenset(
    ("=", "is-a", "descendent-of", "is-not-a", "regex", "in", "not-in", "generalizes", "exists")
)


@dataclass
class _Draft:
    """A definition while its rules are read: `above` are the concepts that lines further in stand under, by their indents."""

    tree: Tree
    line: int
    above: list[tuple[int, Tree]] = field(default_factory=list)
    by_code: dict[str, Tree] = field(default_factory=dict)


def is_one(source: Source, head: bytes) -> bool:
    """Whether a file is Shorthand: by its name, and by a definition in it."""
    return source.base.lower().endswith(".fsh") and b":" in head


def resources(source: Source, meter: Callable[[int], None], address: str = "") -> list[Tree]:
    """The value sets and code systems of a file. `Refusal` names the line that cannot be read."""
    aliases: dict[str, str] = {}
    found: list[_Draft] = []
    draft: _Draft | None = None
    for number, line in _statements(source, meter):
        try:
            if header := _HEADER.match(line):
                draft = _begun(header[1], header[2].strip(), number, aliases)
                found += [draft] if draft is not None else []
            elif draft is not None and (of_it := _FIELD.match(line)):
                _said(draft.tree, of_it[1], of_it[2])
            elif draft is not None:
                _rule(draft, line, aliases)
        except Misread as wrong:
            raise source.refused(f"the line cannot be read: {wrong}", number) from None
    for one in found:
        if "url" not in one.tree and (len(found) > 1 or not address):
            raise source.refused("the definition has no ^url: give it by --address", one.line)
        one.tree.setdefault("url", address)
    return [_kept(one.tree) for one in found]


def _kept(tree: Tree) -> Tree:
    """What of a definition is asked for: a path without an index may lead into a list, which no rule says, and is left out."""
    return {name: value for name, value in tree.items() if name in _ASKED and value != ""}


def _statements(source: Source, meter: Callable[[int], None]) -> Iterator[tuple[int, str]]:
    """Headers, fields and rules, each whole with its indent: what begins with none of these goes on from the line before."""
    begun, number, quoted, aside = "", 0, False, False
    for place, line in source.lines(meter):
        if quoted or aside:
            closing = '"""' if quoted else "*/"
            begun += "\n" + line if quoted else ""
            if closing in line:
                quoted = aside = False
            continue
        if line.lstrip().startswith("/*"):
            aside = "*/" not in line
            continue
        bare = _without_comment(line).rstrip()
        if not bare.strip():
            continue
        if bare.lstrip().startswith("*") or _HEADER.match(bare) or _FIELD.match(bare):
            if begun:
                yield number, begun
            begun, number = bare, place
        else:
            begun += " " + bare.strip()
        quoted = line.count('"""') % 2 == 1
    if quoted or aside:
        raise source.refused("the file is cut off: a text or comment has no end", number)
    if begun:
        yield number, begun


def _without_comment(line: str) -> str:
    if "//" not in line:
        return line
    shown = _STRINGS.sub(lambda found: "x" * len(found[0]), line)
    comment = _COMMENT.search(shown)
    return line[: comment.start()] if comment else line


def _begun(kind: str, rest: str, line: int, aliases: dict[str, str]) -> _Draft | None:
    if kind == "Alias":
        alias = _ALIAS.match(rest)
        if alias is None:
            raise Misread("an alias is NAME = ADDRESS")
        aliases[alias[1]] = alias[2]
        return None
    if kind not in ("ValueSet", "CodeSystem"):
        return None
    tree: Tree = {"resourceType": kind, "name": rest, "status": "draft"}
    return _Draft(tree | ({"content": "complete"} if kind == "CodeSystem" else {}), line)


def _said(tree: Tree, name: str, rest: str) -> None:
    said = rest.strip().strip('"').strip()
    if name in ("Title", "Description"):
        tree[name.lower()] = said


def _rule(draft: _Draft, line: str, aliases: dict[str, str]) -> None:
    indent = len(line) - len(line.lstrip())
    words = tokens(line.lstrip()[1:])
    while draft.above and draft.above[-1][0] >= indent:
        draft.above.pop()
    if not words:
        raise Misread("a rule says something")
    if words[0] == "insert":
        raise Misread("what a RuleSet inserts is not followed")
    if words[0].startswith("^"):
        path_set(draft.above[-1][1] if draft.above else draft.tree, words[0][1:], value_of(words[1:], aliases))
    elif draft.tree["resourceType"] == "CodeSystem":
        _concept(draft, indent, words, aliases)
    else:
        _composed(draft, indent, words, aliases)


def _concept(draft: _Draft, indent: int, words: list[str], aliases: dict[str, str]) -> None:
    """`#code "display" "definition"`, under the codes before it in the line or the lines that it stands further in than."""
    codes = [word for word in words if word.startswith("#")]
    if not codes or words[: len(codes)] != codes:
        raise Misread("a code is #code")
    rest = words[len(codes) :]
    names = [code_of(one, aliases)[2] for one in codes]
    parent = draft.above[-1][1] if draft.above else None
    if len(names) > 1:
        parent = draft.by_code.get(names[-2])
    if len(names) > 1 and parent is None:
        raise Misread("the code that it stands under is not there before it")
    if rest and rest[0].startswith("^"):
        if (own := draft.by_code.get(names[-1])) is None:
            raise Misread("the code is not there before it")
        path_set(own, rest[0][1:], value_of(rest[1:], aliases))
        return
    own = {"code": names[-1]}
    texts = [str(value_of(["=", one], aliases)) for one in rest if one.startswith('"')]
    own |= dict(zip(("display", "definition"), texts, strict=False))
    (draft.tree if parent is None else parent).setdefault("concept", []).append(own)
    draft.by_code[names[-1]] = own
    draft.above.append((indent, own))


def _composed(draft: _Draft, indent: int, words: list[str], aliases: dict[str, str]) -> None:
    kind, rest = ("exclude", words[1:]) if words[0] == "exclude" else ("include", words)
    rest = rest[1:] if rest[:1] == ["include"] else rest
    parts = draft.tree.setdefault("compose", {"include": []}).setdefault(kind, [])
    if rest[:2] == ["codes", "from"]:
        parts.append(_from(rest[2:], aliases))
        return
    if not rest or "#" not in rest[0]:
        raise Misread("a rule of a value set is a code, or codes from a system or value set")
    system, version, code = code_of(rest[0], aliases)
    if not system:
        raise Misread("the code names no system")
    place = {"system": system} | ({"version": version} if version else {})
    last = parts[-1] if parts else {}
    if {name: value for name, value in last.items() if name != "concept"} != place or "concept" not in last:
        last = {**place, "concept": []}
        parts.append(last)
    own = {"code": code}
    own |= {"display": str(value_of(["=", rest[1]], aliases))} if rest[1:2] and rest[1].startswith('"') else {}
    last["concept"].append(own)
    draft.above.append((indent, own))


def _from(words: list[str], aliases: dict[str, str]) -> Tree:
    """`system S where ... and ...`, `valueset A and B`, or both."""
    found: Tree = {}
    which = ""
    while words:
        word = words.pop(0).rstrip(",")
        if word in ("system", "valueset"):
            which = word
        elif word == "where" and "system" in found:
            found["filter"] = list(_filters(words, aliases))
            break
        elif word != "and":
            address, version = _address(word, aliases)
            if which == "system" and "system" not in found:
                found |= {"system": address} | ({"version": version} if version else {})
            elif which == "valueset":
                found.setdefault("valueSet", []).append(f"{address}|{version}" if version else address)
            else:
                raise Misread("codes come from a system or from value sets")
    if not found:
        raise Misread("codes come from a system or from value sets")
    return found


def _address(word: str, aliases: dict[str, str]) -> tuple[str, str]:
    place, _, version = word.partition("|")
    address, _, own = aliases.get(place, place).partition("|")
    if ":" not in address:
        raise Misread("an address is none, and no alias")
    return address, version or own


def _filters(words: list[str], aliases: dict[str, str]) -> Iterator[Tree]:
    for part in _parted(words):
        if len(part) < 2 or part[1] not in _OPERATORS or (len(part) < 3 and part[1] != "exists"):
            raise Misread("a filter is a property, an operator and a value")
        value = part[2] if len(part) > 2 else "true"
        said = code_of(value, aliases)[2] if "#" in value and not value.startswith('"') else value.strip('"/')
        yield {"property": part[0], "op": part[1], "value": said}


def _parted(words: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word == "and":
            yield part
            part = []
        else:
            part.append(word)
    yield part
