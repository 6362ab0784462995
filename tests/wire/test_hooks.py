"""Messages posted: over TLS that is held to its authority, to no address that is not let, and never where one is sent on."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kjerne.registries.receivers import Receiver
from kjerne.wire.hooks import Hooks, NotTaken
from receiving import Receiver as Listening

HERE = (ipaddress.ip_network("127.0.0.0/8"),)
BODY = b'{"entry":[{"resource":{"parameter":[{"name":"type","valueCode":"handshake"}]}}]}'


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    """A connection that is closed is gone in the loop's next round."""
    yield
    await asyncio.sleep(0.05)


async def posted(hooks: Hooks, receiver: Receiver, url: str = "", seconds: float = 5.0) -> str:
    """Empty where it was taken, else why not."""
    try:
        await hooks.send(receiver, url or receiver.url, (("content-type", "application/fhir+json"),), BODY, seconds)
    except NotTaken as fault:
        return str(fault)
    return ""


async def test_connections_are_kept_and_used_again() -> None:
    with Listening() as inbox:
        hooks, one = Hooks(), Receiver("a", inbox.url + "/", HERE)
        assert [await posted(hooks, one) for _ in range(5)] == [""] * 5
        assert (len(inbox.sent), inbox.connections) == (5, 1)
        await asyncio.gather(*(posted(hooks, one) for _ in range(40)))
        assert len(inbox.sent) == 45
        assert inbox.connections <= 16
        hooks.close()


async def test_what_is_not_taken_is_told_in_our_own_words() -> None:
    with Listening() as inbox:
        hooks, one = Hooks(), Receiver("a", inbox.url + "/", HERE)
        inbox.answers, inbox.location = [302, 500, 404, 299], "http://127.0.0.1:1/"
        assert [await posted(hooks, one) for _ in range(4)] == [
            "it answered 302, and nothing is sent where it points to", "it answered 500", "it answered 404", "",
        ]  # fmt: skip
        inbox.delay = 0.5
        assert await posted(hooks, one, seconds=0.05) == "it did not answer within 0.05 seconds"
        assert await posted(hooks, Receiver("a", inbox.url + "/")) == (
            "its name leads to an address that no operator has let it lead to"
        )
        hooks.close()
    assert (await posted(Hooks(), Receiver("a", inbox.url + "/", HERE))).startswith("it could not be reached")


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"a" * 40_000 + b"\r\n\r\n",
     b"HTTP/1.1 2000 OK\r\n\r\n"],
)  # fmt: skip
async def test_what_is_no_answer_is_none(answer: bytes) -> None:
    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await posted(Hooks(), Receiver("a", f"http://127.0.0.1:{port}/", HERE)) != ""
    server.close()


async def test_an_answer_that_goes_on_ends_the_connection_and_not_the_program() -> None:
    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    one = Receiver("a", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", HERE)
    hooks = Hooks()
    assert [await posted(hooks, one) for _ in range(3)] == ["", "", ""]
    server.close()


def certificate(folder: Path, address: str) -> tuple[Any, str]:
    """A server's side of TLS for an address, and the file of the authority that it is held to."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ehr")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    held, keyed = folder / f"{address}.pem", folder / f"{address}.key"
    held.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    keyed.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(held, keyed)
    return context, str(held)


async def test_a_certificate_is_held_to_the_authority_and_to_the_name(tmp_path: Path) -> None:
    context, ca = certificate(tmp_path, "127.0.0.1")
    other, elses = certificate(tmp_path, "127.0.0.2")
    with Listening(context) as inbox, Listening(other) as stranger:
        hooks = Hooks()
        assert await posted(hooks, Receiver("a", inbox.url + "/", HERE, ca)) == ""
        assert "CertVerification" in await posted(hooks, Receiver("a", inbox.url + "/", HERE))
        assert "CertVerification" in await posted(hooks, Receiver("a", stranger.url + "/", HERE, elses))
        assert len(inbox.sent) == 1
        assert stranger.sent == []
        hooks.close()
