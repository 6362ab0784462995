"""Change the law's code in one place at a time, and see whether a test notices (`make mutants`).

Each mutant is one change in `src/kjerne/policy`: a comparison turned, `and` for `or`, a constant or a returned value changed, a
row or a condition of the rule table left out. It lives in a forked process, never on disk. Its tests run until one fails:
first the quick ones, then, for what is still alive, the matrix of the law. Tests over a store are asked only of what a store
alone can show. Words for people are left alone: docs/law.md and its test hold them. Exits with 1 where fewer than `SHARE`
are killed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

ROOT: Final = Path(__file__).parents[1]
POLICY: Final = ROOT / "src" / "kjerne" / "policy"
SHARE: Final = 0.95
SECONDS_LIMIT: Final = 120
"""Of the processor, for one stage of tests: a busy machine makes no mutant look as if it hung."""
WAITING_LIMIT: Final = 1800
MIRRORS: Final = {
    "caller": "test_caller.py", "claims": "test_caller.py", "insight": "test_insight.py", "privacy": "test_privacy.py",
    "door": "test_door_alone.py", "access_log": "test_access_log_alone.py", "errand": "test_errand.py",
    "unsaid": "test_unsaid.py",
    "services": "test_services.py", "services_asked": "test_services.py", "table_services": "test_services.py",
    "table_registering": "test_services.py", "reach": "test_privacy.py", "taking_part": "test_taking_part.py",
    "table_youth": "test_rules_young.py", "representing": "test_rules_young.py", "table_representing": "test_rules_young.py",
}  # fmt: skip
"""The test file that mirrors a module is asked first; where none is named, `test_rules.py` tells the rule's stories."""
QUICK: Final = (
    "test_rules.py", "test_rules_systems.py", "test_table.py", "test_caller.py", "test_privacy.py", "test_insight.py",
    "test_door_alone.py", "test_access_log_alone.py", "test_errand.py", "test_unsaid.py",
    "test_services.py", "test_rules_young.py", "test_taking_part.py",
)  # fmt: skip
UNMOVED: Final = ("-k", "not law_page and not made_in_one_place")
"""Tests that read files and so cannot see a mutant."""
ANYTHING: Final = ("tests/laws/test_matrix.py::test_any_situation_at_all_has_one_law",)
SLOW: Final = ("tests/laws/test_services.py", "tests/laws/test_matrix.py")
STORED: Final = {
    "choosing": ("tests/services/results/test_preferences.py",),
    "permitting": ("tests/policy/test_permitting.py",),
    "people": ("tests/policy/test_permitting.py",),
}
"""What works on a store is asked over one."""
PROSE: Final = frozenset({"says", "law", "title", "todo", "where", "stays", "retention"})
"""Arguments that are read by people: a test would only repeat them."""
TELLING: Final = frozenset({"Refusal", "_wrong", "Demand"})
LAWS: Final = frozenset({"Ground"})
"""What each part of a service stands on, as it is told."""
UNTESTED: Final = frozenset({"lru_cache", "dataclass", "field", "TypeVar", "cast"})
WORDS: Final = frozenset({"words.py", "words_young.py"})
TURNED: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: the module, where, what it was and what it became, and the code with it."""

    module: str
    line: int
    what: str
    code: CodeType

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.what}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = f"kjerne.policy.{path.stem}"
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in _left_alone(tree):
            continue
        for change in range(len(_changes(node))):
            other = copy.deepcopy(tree)
            changed = next(one for number, one in enumerate(ast.walk(other)) if number == place)
            before = ast.unparse(changed)[:60]
            what = _changes(changed)[change]()
            line = getattr(node, "lineno", 0)
            with contextlib.suppress(SyntaxError, ValueError):
                code = compile(ast.fix_missing_locations(other), str(path), "exec")
                yield Mutant(module, line, f"{before!r} {what}", code)


@cache
def _left_alone(tree: ast.AST) -> frozenset[int]:
    """Nodes that mean nothing to the law: docstrings, words for people, annotations, imports."""
    roots = [root for node in ast.walk(tree) for root in _prose_in(node)]
    return frozenset(id(inner) for root in roots for inner in ast.walk(root))


def _prose_in(node: ast.AST) -> Sequence[ast.AST | None]:
    if isinstance(node, ast.Expr | ast.keyword):
        told = node.arg in PROSE if isinstance(node, ast.keyword) else isinstance(node.value, ast.Constant)
        return [node.value] if told else []
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        told = [one for one in node.args if isinstance(one, ast.Constant | ast.JoinedStr)] if name in TELLING else []
        told += [one.value for one in node.keywords] if name in LAWS else []
        return [node] if name in UNTESTED else told
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        every = (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs)
        annotations = [one.annotation for one in every if one.annotation]
        return [node] if node.name == "__repr__" else [*annotations, *([node.returns] if node.returns else [])]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *(one.value for one in node.keywords)]
    if isinstance(node, ast.Assign):
        return [node.value] if ast.unparse(node.value).startswith(("Literal", "Callable", "tuple[")) else []
    return _annotation_or_import(node)


def _annotation_or_import(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.AnnAssign):
        return [node.annotation]
    return [node] if isinstance(node, ast.ImportFrom) else []


Change = Callable[[], str]


def _changes(node: ast.AST) -> list[Change]:
    """What can be done to one node: functions that do it in place and say what it became."""
    found: list[Change] = []
    if isinstance(node, ast.Compare):
        found = [partial(_turn, node.ops, place) for place, op in enumerate(node.ops) if type(op) in TURNED]
    elif isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in TURNED:
        found = [partial(_turn_op, node)]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        found = [partial(_unnegate, node)]
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | str):
        found = [partial(_another, node)]
    elif isinstance(node, ast.Return) and not (node.value is None or ast.unparse(node.value) == "None"):
        found = [partial(_return_none, node)]
    elif isinstance(node, ast.Set) or (isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load)):
        few = isinstance(node, ast.Set) and len(node.elts) == 1
        found = [] if few else [partial(_drop, node, place) for place in range(len(node.elts))]
    return found


def _turn(ops: list[ast.cmpop], place: int) -> str:
    ops[place] = TURNED[type(ops[place])]()  # type: ignore[assignment]
    return f"-> {type(ops[place]).__name__}"


def _turn_op(node: ast.BoolOp | ast.BinOp) -> str:
    node.op = TURNED[type(node.op)]()  # type: ignore[assignment]
    return f"-> {type(node.op).__name__}"


def _unnegate(node: ast.UnaryOp) -> str:
    node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)
    return "-> without not"


def _another(node: ast.Constant) -> str:
    value = node.value
    node.value = (not value) if isinstance(value, bool) else value + 1 if isinstance(value, int) else str(value) + "x"
    return f"-> {node.value!r}"[:40]


def _return_none(node: ast.Return) -> str:
    node.value = ast.Constant(None)
    return "-> return None"


def _drop(node: ast.Tuple | ast.Set, place: int) -> str:
    return f"-> without {ast.unparse(node.elts.pop(place))[:50]!r}"


class _Loaded(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the mutant where its module is imported."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        if name != self._mutant.module:
            return None
        return importlib.util.spec_from_file_location(name, POLICY / (name.rpartition(".")[2] + ".py"), loader=self)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        del spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._mutant.code, module.__dict__)  # noqa: S102 - a mutant of our own code


def _preloaded() -> None:
    """What every child needs and no mutant touches, so that a child is ready at once."""
    for name in (
        "pytest", "hypothesis", "msgspec", "asyncpg", "httpx", "joserfc.jwk", "structlog", "pydantic_settings", "cryptography",
        "kjerne.access", "kjerne.store.subjects", "kjerne.store.audit", "kjerne.settings", "kjerne.registries.identifiers",
        "kjerne.fhir.encode",
    ):  # fmt: skip
        importlib.import_module(name)
    assert not any(name.startswith("kjerne.policy.") for name in sys.modules)


def _child(mutant: Mutant, tests: Sequence[str]) -> None:
    """Runs the tests on the mutant; the exit code tells whether one failed."""
    import pytest  # noqa: PLC0415 - loaded already

    os.setsid()
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.meta_path.insert(0, _Loaded(mutant))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_LIMIT, SECONDS_LIMIT))
    # The conftest of all tests imports the whole program, which takes several times what the tests of the law take.
    alone = [] if any(tests == one for one in STORED.values()) else ["--noconftest"]
    code = pytest.main(
        ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "--hypothesis-seed=1", *alone, *tests, *UNMOVED]
    )
    os._exit(0 if code == 0 else 1)


def _survives(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether all tests pass; one that hangs is a mutant that was noticed."""
    pid = os.fork()
    if not pid:
        try:
            _child(mutant, tests)
        finally:
            os._exit(1)
    until = time.monotonic() + WAITING_LIMIT
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def _stages(module: str) -> list[tuple[str, ...]]:
    """The tests in the order in which they are asked: the module's own, the other quick ones, the matrix of the law, a store."""
    name = module.rpartition(".")[2]
    first = MIRRORS.get(name, "test_rules.py")
    return [
        (f"tests/policy/{first}",),
        tuple(f"tests/policy/{one}" for one in QUICK if one != first),
        *([STORED[name]] if name in STORED else []),
        ANYTHING,
        SLOW,
    ]


def _judged(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Those that no test notices."""
    alive = []
    for number, mutant in enumerate(mutants):
        if all(_survives(mutant, tests) for tests in _stages(mutant.module)):
            alive.append(mutant)
            print(f"  alive: {mutant}", flush=True)
        if number % 50 == 49:
            print(f"  {number + 1} of {len(mutants)}, {len(alive)} alive", flush=True)
    return alive


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="one file of policy/, such as facts.py")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, drawn by --seed, instead of all")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "tests"))
    _preloaded()
    files = [path for path in sorted(POLICY.glob("*.py")) if path.name not in WORDS and given.only in ("", path.name)]
    every = [mutant for path in files for mutant in mutants_of(path)]
    few = 0 < given.sample < len(every)
    chosen = random.Random(given.seed).sample(every, given.sample) if few else every  # noqa: S311 - a sample
    print(f"{len(chosen)} of {len(every)} mutants of {len(files)} files", flush=True)
    as_it_is = Mutant(
        "kjerne.policy.people", 0, "unchanged", compile((POLICY / "people.py").read_text(), "people", "exec")
    )
    failing = [
        tests for tests in {one: None for path in files for one in _stages(path.stem)} if not _survives(as_it_is, tests)
    ]
    if failing:
        print(f"the tests fail on the code as it is: {failing}")
        return 1
    alive = _judged(chosen)
    killed, number = len(chosen) - len(alive), len(chosen)
    for module, count in sorted(Counter(one.module for one in chosen).items()):
        left = sum(one.module == module for one in alive)
        print(f"{module}: {count - left} of {count} killed")
    print(f"{killed} of {number} mutants killed: {killed / number:.1%}")
    return 0 if killed >= SHARE * number else 1


if __name__ == "__main__":
    sys.exit(main())
