"""Signed lines outside the database: written once, whole, by the holder of the key, for the program alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kjerne.errors import Refusal
from kjerne.store.checkpoints import Checkpoints, made_key, read_keys

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints.jsonl", made_key(tmp_path / "key.pem"))


def test_a_line_tells_shard_seal_rows_head_and_time_in_the_open(checkpoints: Checkpoints) -> None:
    checkpoints.add(0, 1, 12, b"\xab" * 32, AT)
    told = msgspec.json.decode(checkpoints.path.read_bytes())
    assert {name: told[name] for name in ("version", "shard", "seal", "rows", "head", "at")} == {
        "version": 1, "shard": 0, "seal": 1, "rows": 12, "head": "ab" * 32, "at": "2026-11-23T12:00:00Z",
    }  # fmt: skip
    assert set(told) == {"version", "shard", "seal", "rows", "head", "at", "before", "key", "signature"}


def test_a_seal_that_is_signed_already_gets_no_second_line(checkpoints: Checkpoints) -> None:
    """Also where another process has gone on in between."""
    for seal in (1, 2, 3):
        checkpoints.add(0, seal, seal, bytes([seal]) * 32, AT)
    assert checkpoints.add(0, 2, 2, b"\x02" * 32, AT)
    assert len(checkpoints.path.read_bytes().splitlines()) == 3


def test_a_line_that_nobody_signed_keeps_no_seal_from_being_signed(checkpoints: Checkpoints) -> None:
    checkpoints.add(0, 1, 1, b"\x01" * 32, AT)
    forged = checkpoints.path.read_bytes().replace(b'"seal":1', b'"seal":2')
    with checkpoints.path.open("ab") as file:
        file.write(forged)
    checkpoints.add(0, 2, 1, b"\x01" * 32, AT)
    assert len(checkpoints.path.read_bytes().splitlines()) == 3


def test_writers_at_once_write_one_line_for_each_seal_and_one_chain(checkpoints: Checkpoints) -> None:
    """As processes would, each opens the file for itself."""
    with ThreadPoolExecutor(4) as crew:
        for seal in range(1, 11):
            others = [Checkpoints(checkpoints.path, checkpoints.keys) for _ in range(4)]
            list(crew.map(lambda one, seal=seal: one.add(0, seal, seal, bytes([seal]) * 32, AT), others))
    lines = list(checkpoints.lines())
    assert [line.said and line.said.seal for line in lines] == list(range(1, 11))
    assert [line.said and line.said.before for line in lines[1:]] == [line.digest for line in lines[:-1]]


def test_only_a_tail_is_read_to_add_a_line(checkpoints: Checkpoints) -> None:
    for seal in range(1, 101):
        assert checkpoints.add(0, seal, seal, seal.to_bytes(32, "big"), AT)
    assert [line.said and line.said.seal for line in checkpoints.lines()] == list(range(1, 101))


def test_key_and_file_are_for_the_program_alone(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.add(0, 1, 1, bytes(32), AT)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "checkpoints.jsonl": 0o600,
        "key.pem": 0o600,
    }


def test_a_key_is_made_once(checkpoints: Checkpoints, tmp_path: Path) -> None:
    assert made_key(tmp_path / "key.pem").name == checkpoints.keys.name


def test_who_has_the_public_key_alone_can_read_and_not_sign(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.add(0, 1, 1, bytes(32), AT)
    signs = checkpoints.keys.signs
    assert signs is not None
    public = signs.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "public.pem").write_bytes(public)
    reader = Checkpoints(checkpoints.path, read_keys(tmp_path / "public.pem"))
    assert all(reader.keys.signed(line) for line in reader.lines())
    with pytest.raises(Refusal, match="no private key"):
        reader.ready()


def test_a_key_of_another_kind_or_none_is_refused_with_what_to_do(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "other.pem").write_bytes(other)
    (tmp_path / "empty.pem").write_bytes(b"")
    for name in ("other.pem", "empty.pem", "nothing.pem"):
        with pytest.raises(Refusal, match="openssl genpkey") as refused:
            read_keys(tmp_path / name)
        assert refused.value.where == "KJERNE_AUDIT_KEY_FILE"


def test_a_folder_that_is_not_there_is_refused_by_name_of_the_setting(tmp_path: Path) -> None:
    nowhere = Checkpoints(tmp_path / "nowhere" / "checkpoints.jsonl", made_key(tmp_path / "key.pem"))
    with pytest.raises(Refusal) as refused:
        nowhere.ready()
    assert refused.value.where == "KJERNE_AUDIT_CHECKPOINTS"
