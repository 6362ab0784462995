"""Change the law's code in one place at a time, and see whether a test notices (`make mutants`).

Each mutant is one change in `src/kjerne/policy`: a comparison turned, `and` for `or`, a constant or a returned value changed, a
row or a condition of the rule table left out. It lives in a forked process, never on disk. Its tests run until one fails:
first the quick ones, then, for what is still alive, the matrix of the law (not with --quick). Tests over a store are asked only
of what a store alone can show. Words for people are left alone: docs/law.md and its test hold them. It tells what killed how
many of each module, and exits with 1 where fewer than `SHARE` are killed.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib.abc
import importlib.util
import os
import random
import resource
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
POLICY: Final = ROOT / "src" / "kjerne" / "policy"
SHARE: Final = 0.95
SECONDS_LIMIT: Final = 120
"""Of the processor, for one stage of tests: a busy machine makes no mutant look as if it hung."""
WAITING_LIMIT: Final = 1800
MIRRORS: Final = {
    "people": "test_people.py",
    "caller": "test_caller.py", "claims": "test_caller.py", "insight": "test_insight.py", "privacy": "test_privacy.py",
    "door": "test_door_alone.py", "access_log": "test_access_log_alone.py", "errand": "test_errand.py",
    "bounds": "test_bounds.py", "table_asking": "test_ages.py",
    "unsaid": "test_unsaid.py",
    "services": "test_services.py", "services_asked": "test_services.py", "table_services": "test_services.py",
    "table_registering": "test_services.py", "reach": "test_privacy.py", "taking_part": "test_taking_part.py",
    "table_youth": "test_ages.py", "table_beside": "test_rules_beside.py",
    "table_attested": "test_rules_attested.py", "table_subscribing": "test_rules_systems.py",
    "representing": "test_representing.py", "table_representing": "test_ages.py",
}  # fmt: skip
"""The test file that mirrors a module is asked first; where none is named, `test_rules.py` tells the rule's stories."""
QUICK: Final = (
    "test_rules.py", "test_rules_systems.py", "test_rules_beside.py", "test_rules_attested.py", "test_table.py",
    "test_caller.py", "test_privacy.py", "test_insight.py",
    "test_door_alone.py", "test_access_log_alone.py", "test_errand.py", "test_unsaid.py",
    "test_services.py", "test_rules_young.py", "test_taking_part.py", "test_people.py",
    "test_facts.py", "test_ages.py", "test_bounds.py", "test_representing.py",
)  # fmt: skip
OF_CLAIMS: Final = frozenset({"test_caller.py", "test_errand.py"})
CLAIMS: Final = frozenset({"caller", "claims", "errand", "people"})
"""These tests make callers out of claims, and meet no other module of the law."""
UNMOVED: Final = ("-k", "not law_page and not made_in_one_place")
"""Tests that read files and so cannot see a mutant."""
ANYTHING: Final = ("tests/laws/test_matrix.py::test_any_situation_at_all_has_one_law",)
SLOW: Final = ("tests/laws/test_services.py", "tests/laws/test_matrix.py")
ALIVE: Final = "nothing"
STORED: Final = {
    "choosing": ("tests/services/results/test_preferences.py",),
    "permitting": ("tests/policy/test_permitting.py",),
    "people": ("tests/policy/test_permitting.py",),
}
"""What works on a store is asked over one."""
PROSE: Final = frozenset({"says", "law", "title", "todo", "where", "stays", "retention"})
"""Arguments and constants that are read by people: a test would only repeat them."""
TELLING: Final = frozenset({"Refusal", "_wrong", "Demand"})
LAWS: Final = frozenset({"Ground"})
"""What each part of a service stands on, as it is told."""
UNTESTED: Final = frozenset({"lru_cache", "dataclass", "field", "TypeVar", "cast"})
WORDS: Final = frozenset(path.name for path in POLICY.glob("words*.py"))
TURNED: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of one node of a file, both by their number; made when it is asked, since most of the time goes there."""

    path: Path
    line: int
    place: int
    change: int

    @property
    def module(self) -> str:
        return f"kjerne.policy.{self.path.stem}"

    def made(self) -> tuple[str, CodeType]:
        """What it was and became, and the code with it."""
        tree = ast.parse(_source(self.path))
        node = next(one for number, one in enumerate(ast.walk(tree)) if number == self.place)
        before = ast.unparse(node)[:60]
        what = _changes(node)[self.change]()
        return f"{before!r} {what}", compile(ast.fix_missing_locations(tree), str(self.path), "exec")


@cache
def _source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of one file."""
    tree = ast.parse(_source(path))
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in _left_alone(tree):
            for change in range(len(_changes(node))):
                yield Mutant(path, getattr(node, "lineno", 0), place, change)


@cache
def _left_alone(tree: ast.AST) -> frozenset[int]:
    """Nodes that mean nothing to the law: docstrings, words for people, annotations, imports."""
    roots = [root for node in ast.walk(tree) for root in _prose_in(node)]
    return frozenset(id(inner) for root in roots if root for inner in ast.walk(root))


def _prose_in(node: ast.AST) -> Sequence[ast.AST | None]:
    if isinstance(node, ast.Expr | ast.keyword):
        told = node.arg in PROSE if isinstance(node, ast.keyword) else isinstance(node.value, ast.Constant)
        return [node.value] if told else []
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        told = [one for one in node.args if _is_text(one)] if name in TELLING else []
        told += [one.value for one in node.keywords] if name in LAWS else []
        return [node] if name in UNTESTED else told
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        every = (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs)
        annotations = [one.annotation for one in every if one.annotation]
        return [node] if node.name == "__repr__" else [*annotations, *([node.returns] if node.returns else [])]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *(one.value for one in node.keywords)]
    return _of_a_name(node)


def _of_a_name(node: ast.AST) -> list[ast.AST | None]:
    """What only names something: types, imports, and `__all__`, since nobody imports by a star."""
    if isinstance(node, ast.Assign):
        types = ast.unparse(node.value).startswith(("Literal", "Callable", "tuple["))
        return [node.value] if types or ast.unparse(node.targets[0]) == "__all__" else []
    if isinstance(node, ast.AnnAssign):
        told = ast.unparse(node.target).strip("_").lower() in PROSE
        words = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
        return [node.annotation, *(words if told else ())]
    return [node] if isinstance(node, ast.ImportFrom) else []


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


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
    elif isinstance(node, ast.Return) and node.value and ast.unparse(node.value) not in ("None", "False"):
        # To whom it is told, `None` is `False`, which is turned by itself.
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

    def __init__(self, module: str, code: CodeType) -> None:
        self._module = module
        self._code = code

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, POLICY / (name.rpartition(".")[2] + ".py"), loader=self)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        del spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - a mutant of our own code


def _preloaded() -> None:
    """What every child needs and no mutant touches, so that a child is ready at once and collects no garbage of ours."""
    for name in (
        "pytest", "hypothesis", "msgspec", "asyncpg", "httpx", "joserfc.jwk", "structlog", "pydantic_settings", "cryptography",
        "kjerne.access", "kjerne.store.subjects", "kjerne.store.audit", "kjerne.settings", "kjerne.registries.identifiers",
        "kjerne.fhir.encode", "kjerne.fhir.smart", "kjerne.exchange", "kjerne.registries.contents",
        "kjerne.registries.withholding", "kjerne.registries.wording", "kjerne.store.participation", "kjerne.store.log_pages",
    ):  # fmt: skip
        importlib.import_module(name)
    for plugin in metadata.entry_points(group="pytest11"):
        plugin.load()
    assert not any(name.startswith("kjerne.policy.") for name in sys.modules)
    gc.freeze()


class _Judge:
    """pytest begun once, whose children each collect and run what they are asked: to begin takes as long as the tests do.

    Tests that have killed most are asked first.
    """

    def __init__(self, work: Callable[[_Judge], int]) -> None:
        self._work = work
        self.status = 1
        self._killed_by: Counter[str] = Counter()
        self._told, self._tell = os.pipe()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        self._session = session
        session.config.option.tbstyle = "no"
        self.status = self._work(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._tell, report.nodeid.encode()[:1000] + b"\n")

    def lets_live(self, loaded: _Loaded, tests: Sequence[str]) -> bool:
        """Whether all tests pass; one that hangs is a mutant that was noticed."""
        pid = os.fork()
        if not pid:
            try:
                self._run(loaded, tests)
            finally:
                os._exit(1)
        until = time.monotonic() + WAITING_LIMIT
        while time.monotonic() < until:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._count()
                return status == 0
            time.sleep(0.01)
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return False

    def _run(self, loaded: _Loaded, tests: Sequence[str]) -> None:
        """In the child: the exit code tells whether a test failed."""
        os.setsid()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, loaded)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_LIMIT, SECONDS_LIMIT))
        if any(tests == one for one in STORED.values()):
            os._exit(0 if pytest.main([*_ARGUMENTS, *tests]) == 0 else 1)
        self._session.perform_collect(tests)
        self._session.items.sort(key=lambda item: -self._killed_by[item.nodeid])
        self._session.config.hook.pytest_runtestloop(session=self._session)
        os._exit(1 if self._session.testsfailed else 0)

    def _count(self) -> None:
        if select.select([self._told], [], [], 0)[0]:
            self._killed_by.update(os.read(self._told, 65536).decode().split("\n")[:1])


_ARGUMENTS: Final = ("-x", "--assert=plain", "-p", "no:cacheprovider", "--hypothesis-seed=1", *UNMOVED)
_ALONE: Final = (
    "-s", "--noconftest", "-o", "addopts=--import-mode=importlib",
    *(word for name in ("terminal", "logging", "xdist", "anyio", "faulthandler") for word in ("-p", f"no:{name}")),
)  # fmt: skip
"""What tells people of the tests, or needs the whole program, which takes several times what the tests of the law take."""


def _stages(module: str, *, quick: bool) -> dict[str, tuple[str, ...]]:
    """The tests in the order in which they are asked, by what they prove."""
    name = module.rpartition(".")[2]
    first = MIRRORS.get(name, "test_rules.py")
    others = [one for one in QUICK if one != first and (name in CLAIMS or one not in OF_CLAIMS)]
    stages = {
        "its own tests": (f"tests/policy/{first}",),
        "other quick tests": tuple(f"tests/policy/{one}" for one in others),
    }
    of_a_store = {"a store": STORED[name]} if name in STORED else {}
    return stages | of_a_store if quick else stages | {"any situation": ANYTHING} | of_a_store | {"the matrix": SLOW}


def _judged(mutants: Sequence[Mutant], judge: _Judge, *, quick: bool, minutes: float) -> list[str]:
    """Of each mutant the stage that killed it, or `ALIVE`; of fewer where the time is up."""
    by: list[str] = []
    until = time.monotonic() + 60 * minutes
    for mutant in mutants:
        what, code = mutant.made()
        loaded = _Loaded(mutant.module, code)
        stages = _stages(mutant.module, quick=quick)
        by.append(next((stage for stage, tests in stages.items() if not judge.lets_live(loaded, tests)), ALIVE))
        if by[-1] == ALIVE:
            print(f"  alive: {mutant.module}:{mutant.line}: {what}", flush=True)
        if len(by) % 50 == 0:
            print(f"  {len(by)} of {len(mutants)}, {by.count(ALIVE)} alive", flush=True)
        if minutes and time.monotonic() > until:
            break
    return by


def _fails_unchanged(files: Sequence[Path], judge: _Judge, *, quick: bool) -> list[tuple[str, ...]]:
    """The stages that would kill everything, since they fail on the code as it is."""
    unchanged = _Loaded("kjerne.policy.people", compile(_source(POLICY / "people.py"), "people", "exec"))
    every = [tests for path in files for tests in _stages(path.stem, quick=quick).values()]
    alone = {tests: None for tests in every if tests[0].rpartition("/")[2] not in QUICK}
    together = tuple(f"tests/policy/{one}" for one in QUICK)
    return [tests for tests in (together, *alone) if not judge.lets_live(unchanged, tests)]


def _told(mutants: Sequence[Mutant], by: Sequence[str]) -> None:
    for module in sorted({mutant.module for mutant in mutants}):
        here = Counter(stage for mutant, stage in zip(mutants, by, strict=True) if mutant.module == module)
        killed = ", ".join(f"{count} by {stage}" for stage, count in here.most_common() if stage != ALIVE)
        print(f"{module}: {here.total() - here[ALIVE]} of {here.total()} killed ({killed})")
    killed, number = len(by) - by.count(ALIVE), len(by)
    print(f"{killed} of {number} mutants killed: {killed / max(number, 1):.1%}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="one file of policy/, such as facts.py")
    parser.add_argument("--lines", default="", help="those of its lines alone, such as 12,45")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, drawn by --seed, instead of all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=0, help="stop after so many, and tell of those that were asked"
    )
    parser.add_argument("--quick", action="store_true", help="without the matrix of the law")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    _preloaded()
    judge = _Judge(partial(_judged_and_told, given))
    pytest.main([*_ARGUMENTS, *_ALONE], plugins=[judge])
    return judge.status


def _judged_and_told(given: argparse.Namespace, judge: _Judge) -> int:
    files = [path for path in sorted(POLICY.glob("*.py")) if path.name not in WORDS and given.only in ("", path.name)]
    lines = {int(line) for line in given.lines.split(",") if line}
    every = [mutant for path in files for mutant in mutants_of(path) if not lines or mutant.line in lines]
    number = min(given.sample, len(every))
    chosen = random.Random(given.seed).sample(every, number) if number else every  # noqa: S311 - a sample
    print(f"{len(chosen)} of {len(every)} mutants of {len(files)} files", flush=True)
    failing = _fails_unchanged(files, judge, quick=given.quick)
    if failing:
        print(f"the tests fail on the code as it is: {failing}")
        return 1
    by = _judged(chosen, judge, quick=given.quick, minutes=given.minutes)
    _told(chosen[: len(by)], by)
    return 0 if len(by) - by.count(ALIVE) >= SHARE * len(by) else 1


if __name__ == "__main__":
    sys.exit(main())
