"""Getting what customers point at, from servers on loopback that mean harm, and into the messages."""

import asyncio
import base64
import contextlib
import datetime
import gzip
import ssl
import time
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from turnpike.domain.errors import InvalidRequest
from turnpike.providers.addresses import IpAddress
from turnpike.providers.fetch import Fetched, Fetcher
from turnpike.providers.remote_media import has_parts, with_fetched_media
from turnpike.providers.sniff import sniff_media_type

pytestmark = pytest.mark.anyio
HOST = "files.test"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 24
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 24
MB = 1024 * 1024
BOMB = gzip.compress(bytes(100 * MB), 1)


@dataclass(frozen=True)
class Tls:
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for the test's names, and a client that trusts nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName(f"*.{HOST}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Tls(server, ssl.create_default_context(cafile=str(path)))


Script = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class World:
    """One server for every name, and a name service that says what the test wants."""

    script: Script
    port: int = 0
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    addresses: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    resolved: list[tuple[str, int]] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def resolve(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        """The next answer for this name, the last one again and again."""
        self.resolved.append((host, port))
        answers = self.addresses.get(host)
        if answers is None:
            if not host.endswith(HOST):
                raise OSError("no such host")
            answers = [["127.0.0.1"]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(address, self.port) for address in answer]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            await self.script(head.split(" ")[1], writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            self.hung_up.set()
        finally:
            with contextlib.suppress(Exception):
                writer.close()


def loopback(address: IpAddress) -> bool:
    return address == IPv4Address("127.0.0.1")


@asynccontextmanager
async def world(
    tls: Tls, script: Script, allow: Callable[[IpAddress], bool] | None = loopback, **names: Sequence[str]
) -> AsyncGenerator[tuple[World, Fetcher]]:
    """`allow` None is the policy that ships. `names` are hosts below files.test, and where they lead."""
    there = World(script, addresses={f"{name}.{HOST}": [answer] for name, answer in names.items()})
    listener = await asyncio.start_server(there.serve, "127.0.0.1", 0, ssl=tls.server)
    there.port = listener.sockets[0].getsockname()[1]
    policy = {} if allow is None else {"allow": allow}
    fetcher = Fetcher(resolve=there.resolve, tls=tls.client, **policy)
    try:
        yield there, fetcher
    finally:
        await fetcher.aclose()
        listener.close()
        await asyncio.sleep(0.02)


def response(body: bytes, *headers: str, status: int = 200) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *headers, f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def saying(*answers: bytes) -> Script:
    """The next answer for each request, the last one again and again."""
    left = list(answers)

    async def script(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return script


def routing(**answers: bytes) -> Script:
    async def script(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[path.strip("/").partition("?")[0]])

    return script


def to(location: str, status: int = 302) -> bytes:
    return response(b"", f"location: {location}", status=status)


IMAGE = response(PNG, "content-type: image/png")


async def refusal(fetcher: Fetcher, url: str, **limits: float) -> str:
    with pytest.raises(InvalidRequest) as caught:
        await fetcher.fetch_each([url], **limits)
    error = caught.value
    # What failed inside may quote addresses and headers.
    assert (error.status, error.field, error.__cause__, error.__context__) == (400, "messages", None, None)
    assert "127.0.0.1" not in error.message or "127.0.0.1" in url
    return error.message


async def test_a_file_is_fetched_as_its_server_says(tls: Tls) -> None:
    async with world(tls, saying(response(b"%PDF-1.7", "Content-Type: Application/PDF; charset=x"))) as (
        there,
        fetcher,
    ):
        assert await fetcher.fetch(f"https://{HOST}/a.pdf?sig=1#page=2") == Fetched("application/pdf", b"%PDF-1.7")
    head = there.heads[0].lower()
    assert head.startswith("get /a.pdf?sig=1 http/1.1\r\n")
    assert f"host: {HOST}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert "cookie" not in head
    assert there.resolved == [(HOST, 443)]


async def test_nothing_of_one_fetch_is_in_the_next(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with world(tls, saying(response(PNG, "content-type: image/png", "set-cookie: a=b"))) as (there, fetcher):
        for _ in range(2):
            await fetcher.fetch(f"https://{HOST}/")
        assert "cookie" not in there.heads[1].lower()
        assert there.connections == 2


async def test_a_certificate_for_another_name_is_not_enough(tls: Tls) -> None:
    async with world(tls, saying(IMAGE), **{}) as (there, fetcher):
        there.addresses["other.test"] = [["127.0.0.1"]]
        assert "the connection failed" in await refusal(fetcher, "https://other.test/")
        assert there.heads == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://files.test/a.png", "does not begin with https://"),
        ("ftp://files.test/a.png", "does not begin with https://"),
        ("//files.test/a.png", "does not begin with https://"),
        ("https://user:secret@files.test/", "holds a user name or a password"),
        ("https://user@files.test/", "holds a user name or a password"),
        ("https://files.test:8443/", "names a port other than 443"),
        ("https://files.test:80/", "names a port other than 443"),
        ("https://files.test:99999/", "names a port other than 443"),
        ("https://", "is not an address"),
        ("https:///etc/passwd", "is not an address"),
        ("https://[::1", "is not an address"),
        ("https://0177.0.0.1/", "is not an address"),
        ("https://a\x00b/", "is not an address"),
        ("https://\ud800/", "is not an address"),
        ("", "is not an address"),
    ],
)
async def test_only_plain_https_addresses_are_called(tls: Tls, url: str, reason: str) -> None:
    async with world(tls, saying(IMAGE)) as (there, fetcher):
        message = await refusal(fetcher, url)
        assert reason in message
        assert "secret" not in message
        assert (there.resolved, there.connections) == ([], 0)


async def test_the_standard_port_may_be_named(tls: Tls) -> None:
    async with world(tls, saying(IMAGE)) as (_, fetcher):
        assert (await fetcher.fetch(f"https://{HOST}:443/")).media_type == "image/png"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "exa mple",
        "localhost",
        "localhost.",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "no-such-host.invalid",
    ],
)
async def test_the_policy_that_ships_lets_nobody_in(tls: Tls, host: str) -> None:
    """With the system's own name service."""
    fetcher = Fetcher(tls=tls.client)
    message = await refusal(fetcher, f"https://{host}/latest/meta-data/?token=1")
    assert "its name leads to no public address" in message
    assert "meta-data" not in message
    await fetcher.aclose()


async def test_a_name_that_leads_inside_is_not_called(tls: Tls) -> None:
    async with world(tls, saying(IMAGE), None, private=["127.0.0.1"], mixed=["93.184.216.34", "10.0.0.1"]) as (
        there,
        fetcher,
    ):
        for name in ("private", "mixed"):
            message = await refusal(fetcher, f"https://{name}.{HOST}/")
            assert "its name leads to no public address" in message
            assert "10.0.0.1" not in message
        assert there.connections == 0


async def test_names_that_lead_nowhere_say_the_same_as_those_that_lead_inside(tls: Tls) -> None:
    async with world(tls, saying(IMAGE), None, inside=["10.0.0.1"], none=[]) as (_, fetcher):
        said = {
            (await refusal(fetcher, f"https://{host}/")).replace(host, "")
            for host in (f"inside.{HOST}", f"none.{HOST}", "unknown.test")
        }
        assert len(said) == 1


async def test_what_is_checked_is_what_is_connected_to(tls: Tls) -> None:
    """A name that means something else the second time it is asked for is asked once."""
    async with world(tls, saying(IMAGE)) as (there, fetcher):
        there.addresses[HOST] = [["127.0.0.1"], ["127.0.0.2"]]
        assert (await fetcher.fetch(f"https://{HOST}/")).content == PNG
        assert len(there.resolved) == 1
        # Now it has changed, and is checked again, since nothing is remembered of the first time.
        assert "no public address" in await refusal(fetcher, f"https://{HOST}/")
        assert there.connections == 1


async def test_a_name_that_changes_while_it_redirects_is_checked_again(tls: Tls) -> None:
    async with world(tls, saying(to("/again"), IMAGE)) as (there, fetcher):
        there.addresses[HOST] = [["127.0.0.1"], ["127.0.0.2"]]
        assert "no public address" in await refusal(fetcher, f"https://{HOST}/")
        assert there.connections == 1


async def test_of_several_addresses_the_next_is_tried(tls: Tls) -> None:
    def allow(address: IpAddress) -> bool:
        return address.is_loopback

    # Nobody listens at the first.
    async with world(tls, saying(IMAGE), allow, two=["127.0.0.77", "127.0.0.1"]) as (_, fetcher):
        assert (await fetcher.fetch(f"https://two.{HOST}/")).content == PNG


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(tls: Tls, status: int) -> None:
    async with world(tls, routing(a=to(f"https://cdn.{HOST}/b", status), b=to("c?d=1", status), c=IMAGE)) as (
        there,
        fetcher,
    ):
        assert (await fetcher.fetch(f"https://{HOST}/a")).content == PNG
        assert [head.split(" ")[1] for head in there.heads] == ["/a", "/b", "/c?d=1"]
        assert [host for host, _ in there.resolved] == [HOST, f"cdn.{HOST}", f"cdn.{HOST}"]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        (f"http://{HOST}/", "redirects to does not begin with https://"),
        (f"https://me:secret@{HOST}/", "redirects to holds a user name or a password"),
        (f"https://{HOST}:22/", "redirects to names a port other than 443"),
        ("https://[::1", "redirects to what is not an address"),
        ("file:///etc/passwd", "redirects to"),
        (f"https://inside.{HOST}/", "its name leads to no public address"),
        ("https://127.0.0.2/", "its name leads to no public address"),
    ],
)
async def test_each_redirect_is_checked(tls: Tls, location: str, reason: str) -> None:
    async with world(tls, saying(to(location), IMAGE), inside=["10.0.0.1"]) as (there, fetcher):
        message = await refusal(fetcher, f"https://{HOST}/")
        assert reason in message
        assert f"what stands at {HOST} could" in message
        assert "secret" not in message
        assert there.connections == 1


async def test_redirects_have_an_end(tls: Tls) -> None:
    async with world(tls, saying(*[to("/")] * 5, IMAGE)) as (_, fetcher):
        assert (await fetcher.fetch(f"https://{HOST}/")).content == PNG
    async with world(tls, saying(to("/"))) as (there, fetcher):
        assert "redirects more than 5 times" in await refusal(fetcher, f"https://{HOST}/")
        assert there.connections == 6


@pytest.mark.parametrize("status", [204, 206, 304, 401, 403, 404, 429, 500, 503])
async def test_another_servers_failure_is_the_clients_to_mend(tls: Tls, status: int) -> None:
    async with world(tls, saying(response(b"", "content-type: image/png", status=status))) as (_, fetcher):
        message = await refusal(fetcher, f"https://{HOST}/private/a.png?token=secret")
    assert message == (
        f"messages: what stands at {HOST} could not be fetched: HTTP {status}; check that anybody can open the "
        "address, or send the file itself as a data URL"
    )


async def test_a_redirect_to_nowhere_is_a_failure(tls: Tls) -> None:
    async with world(tls, saying(response(b"", status=302))) as (_, fetcher):
        assert "HTTP 302" in await refusal(fetcher, f"https://{HOST}/")


@pytest.mark.parametrize("how", ["reset", "garbage", "cut"])
async def test_connections_that_break(tls: Tls, how: str) -> None:
    async def script(path: str, writer: asyncio.StreamWriter) -> None:
        if how == "reset":
            writer.transport.abort()
        elif how == "garbage":
            writer.write(b"this is no HTTP\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 99\r\n\r\n" + PNG)

    async with world(tls, script) as (_, fetcher):
        assert "the connection failed" in await refusal(fetcher, f"https://{HOST}/")


async def test_a_file_that_says_that_it_is_too_large_is_not_read(tls: Tls) -> None:
    async def script(path: str, writer: asyncio.StreamWriter) -> None:
        size = 20 * MB + 1
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {size}\r\n\r\n".encode())
        await writer.drain()
        await asyncio.sleep(5)

    async with world(tls, script) as (_, fetcher):
        began = time.monotonic()
        assert "it is larger than 20 MB" in await refusal(fetcher, f"https://{HOST}/")
        assert time.monotonic() - began < 2


async def test_a_file_that_does_not_say_how_large_it_is_is_read_so_far(tls: Tls) -> None:
    wrote = 0

    async def script(path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal wrote
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\nconnection: close\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * MB)
            await writer.drain()
            # Writes to a connection that is gone only fail once the loop has heard of it.
            await asyncio.sleep(0)
            wrote += 1
        raise ConnectionResetError

    async with world(tls, script) as (there, fetcher):
        assert "it is larger than 20 MB" in await refusal(fetcher, f"https://{HOST}/")
        await asyncio.wait_for(there.hung_up.wait(), 20)
        assert wrote < 40


async def test_the_largest_file_is_20_mb(tls: Tls) -> None:
    async with world(tls, saying(response(b"x" * 20 * MB, "content-type: text/csv"))) as (_, fetcher):
        assert len((await fetcher.fetch(f"https://{HOST}/")).content) == 20 * MB


async def test_files_of_one_request_are_limited_together(tls: Tls) -> None:
    async with world(tls, saying(response(b"x" * 18 * MB, "content-type: text/csv"))) as (_, fetcher):
        with pytest.raises(InvalidRequest, match="other files it is larger than 50 MB"):
            await fetcher.fetch_each([f"https://{HOST}/{n}" for n in range(3)])


async def test_more_addresses_than_a_request_may_have(tls: Tls) -> None:
    async with world(tls, saying(IMAGE)) as (there, fetcher):
        urls = [f"https://{HOST}/{n}" for n in range(16)]
        assert set(await fetcher.fetch_each([*urls, *urls])) == set(urls)
        assert there.connections == 16
        with pytest.raises(InvalidRequest, match="17 addresses would have to be fetched, and 16 are the most"):
            await fetcher.fetch_each([*urls, f"https://{HOST}/more"])
        assert there.connections == 16


async def test_files_are_fetched_side_by_side_and_given_up_together(tls: Tls) -> None:
    async def script(path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2 if path != "/late" else 5)
        writer.write(IMAGE if path != "/bad" else response(b"", status=404))

    async with world(tls, script) as (_, fetcher):
        began = time.monotonic()
        await fetcher.fetch_each([f"https://{HOST}/{n}" for n in range(8)])
        assert time.monotonic() - began < 1.2
        with pytest.raises(InvalidRequest, match="HTTP 404"):
            await fetcher.fetch_each([f"https://{HOST}/late", f"https://{HOST}/bad"])
        assert time.monotonic() - began < 2.5


@pytest.mark.parametrize("slow", ["connection", "head", "body"])
async def test_a_slow_server_is_left(tls: Tls, slow: str) -> None:
    async def script(path: str, writer: asyncio.StreamWriter) -> None:
        if slow == "body":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(50):
            writer.write(b"x" if slow == "body" else b"")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with world(tls, script) as (there, fetcher):
        if slow == "connection":
            fetcher = Fetcher(allow=loopback, resolve=lambda host, port: asyncio.sleep(9, []), tls=tls.client)
        began = time.monotonic()
        assert "it did not come in time" in await refusal(fetcher, f"https://{HOST}/", within_s=0.3)
        assert 0.2 < time.monotonic() - began < 1
        assert there.connections == (0 if slow == "connection" else 1)


async def test_a_caller_that_leaves_hangs_up(tls: Tls) -> None:
    async def script(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 1000000\r\n\r\n")
        for _ in range(200):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with world(tls, script) as (there, fetcher):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(fetcher.fetch(f"https://{HOST}/"), 0.2)
        await asyncio.wait_for(there.hung_up.wait(), 20)


@pytest.mark.parametrize(
    "told",
    ["application/zip", "application/x-msdownload", "font/woff2", "application/javascript", "multipart/mixed", "x"],
)
async def test_types_that_no_model_reads(tls: Tls, told: str) -> None:
    async with world(tls, saying(response(PNG, f"content-type: {told}"))) as (_, fetcher):
        assert f"it is of the type {told}, which no model reads" in await refusal(fetcher, f"https://{HOST}/")


OFFICE = "application/vnd.openxmlformats-officedocument."


@pytest.mark.parametrize(
    ("told", "content", "media_type"),
    [
        ("image/png", PNG, "image/png"),
        ("image/jpg", JPEG, "image/jpeg"),
        ("image/png; q=1", JPEG, "image/jpeg"),
        ("image/svg+xml", b"<svg/>", "image/svg+xml"),
        ("text/html; charset=utf-8", b"<p>", "text/html"),
        ("AUDIO/MPEG", b"ID3\x04", "audio/mpeg"),
        ("video/mp4", b"anything", "video/mp4"),
        (f"{OFFICE}presentationml.presentation", b"PK", f"{OFFICE}presentationml.presentation"),
        ("application/octet-stream", PNG, "image/png"),
        ("binary/octet-stream", b"%PDF-1.4", "application/pdf"),
        (None, b"a,b\n1,2\n", "text/plain"),
    ],
)
async def test_the_type_is_the_servers_or_the_files_own(
    tls: Tls, told: str | None, content: bytes, media_type: str
) -> None:
    headers = [] if told is None else [f"content-type: {told}"]
    async with world(tls, saying(response(content, *headers))) as (_, fetcher):
        assert await fetcher.fetch(f"https://{HOST}/") == Fetched(media_type, content)


async def test_what_nobody_can_tell_the_type_of(tls: Tls) -> None:
    async with world(tls, saying(response(b"\x00\x01\x02\xff", "content-type: application/octet-stream"))) as (_, it):
        assert "what type it is of" in await refusal(it, f"https://{HOST}/")


async def test_an_empty_file(tls: Tls) -> None:
    async with world(tls, saying(response(b"", "content-type: image/png"))) as (_, fetcher):
        assert "it is empty" in await refusal(fetcher, f"https://{HOST}/")


def packed(content: bytes, encoding: str) -> bytes:
    return response(content, "content-type: text/plain", f"content-encoding: {encoding}")


async def test_a_compression_that_was_not_asked_for_is_undone(tls: Tls) -> None:
    text = b"hello " * 1000
    for answer in (
        packed(gzip.compress(text), "gzip"),
        packed(zlib.compress(text), "deflate"),
        packed(text, "identity"),
    ):
        async with world(tls, saying(answer)) as (_, fetcher):
            assert (await fetcher.fetch(f"https://{HOST}/")).content == text


@pytest.mark.parametrize(
    ("content", "encoding", "reason"),
    [
        (BOMB, "gzip", "it is larger than 20 MB"),
        (gzip.compress(b"hello " * 1000)[:40], "gzip", "it broke off"),
        (b"\x1f\x8bjunk, and more of it", "gzip", "the connection failed"),
        (b"anything", "br", "it is compressed in a way that was not asked for"),
        (gzip.compress(gzip.compress(b"a")), "gzip, gzip", "it is compressed in a way that was not asked for"),
    ],
    ids=["bomb", "cut", "junk", "brotli", "twice"],
)
async def test_compressions_that_are_refused(tls: Tls, content: bytes, encoding: str, reason: str) -> None:
    async with world(tls, saying(packed(content, encoding))) as (_, fetcher):
        assert reason in await refusal(fetcher, f"https://{HOST}/")


async def test_a_bomb_takes_no_more_memory_than_a_file_may(tls: Tls) -> None:
    async with world(tls, saying(packed(BOMB, "gzip"))) as (_, fetcher):
        tracemalloc.start()
        try:
            await refusal(fetcher, f"https://{HOST}/")
            assert tracemalloc.get_traced_memory()[1] < 60 * MB
        finally:
            tracemalloc.stop()


def box(brand: bytes) -> bytes:
    return b"\x00\x00\x00\x18ftyp" + brand + b"\x00" * 8


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"GIF89a..", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x10\x00\x00\x00rmp3data\x00", None),
        (box(b"isom"), "video/mp4"),
        (box(b"qt  "), "video/quicktime"),
        (box(b"M4A "), "audio/mp4"),
        (box(b"avif"), "image/avif"),
        (b"\x1aE\xdf\xa3\x01", "video/webm"),
        (b"OggS\x00\x02", "audio/ogg"),
        (b"fLaC\x00", "audio/flac"),
        (b"PK\x03\x04....word/document.xml..", f"{OFFICE}wordprocessingml.document"),
        (b"PK\x03\x04....xl/workbook.xml..", f"{OFFICE}spreadsheetml.sheet"),
        (b"PK\x03\x04....whatever.bin..", None),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"), "application/msword"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "Workbook".encode("utf-16-le"), "application/vnd.ms-excel"),
        ("Grüße\n".encode(), "text/plain"),
        (b"\xef\xbb\xbfa;b", "text/plain"),
        ("Grüße".encode("latin-1"), None),
        (b"a\x00b", None),
        (b"", None),
    ],
)
def test_what_first_bytes_tell(content: bytes, media_type: str | None) -> None:
    assert sniff_media_type(content) == media_type


def never(kind: str, url: str) -> bool:
    return False


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}, **more}


def data(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


async def inlined(fetcher: Fetcher, messages: list[Any], fetches: Callable[[str, str], bool] = never) -> Any:
    return await with_fetched_media(messages, fetches, fetcher, within_s=5)


async def test_addresses_in_messages_become_data(tls: Tls) -> None:
    pdf = response(b"%PDF-1.7", "content-type: application/pdf")
    clip = response(box(b"isom"), "content-type: video/mp4")
    marked = {"cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "system", "content": "Look"},
        user({"type": "text", "text": f"https://{HOST}/not-this"}, image(f"https://{HOST}/a", **marked)),
        user(
            {"type": "file", "file": {"file_data": f"https://{HOST}/b?x=/y.txt"}},
            {"type": "file", "file": {"filename": "own.pdf", "file_data": f"HTTPS://{HOST}/b"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "input_video", "video_url": {"url": f"https://{HOST}/c"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            image(data("image/png", PNG)),
        ),
        {"role": "tool", "tool_call_id": "1", "content": [image(f"https://{HOST}/a")]},
        {"role": "assistant", "content": None},
    ]
    before = repr(messages)
    async with world(tls, routing(a=IMAGE, b=pdf, c=clip)) as (there, fetcher):
        found = await inlined(fetcher, messages)
        assert there.connections == 4
    assert repr(messages) == before
    shown = {"url": data("image/png", PNG), "detail": "low"}
    assert found[1]["content"] == [messages[1]["content"][0], {"type": "image_url", "image_url": shown, **marked}]
    assert found[2]["content"][:2] == [
        {"type": "file", "file": {"filename": "b", "file_data": data("application/pdf", b"%PDF-1.7")}},
        {"type": "file", "file": {"filename": "own.pdf", "file_data": data("application/pdf", b"%PDF-1.7")}},
    ]
    assert found[2]["content"][3]["video_url"]["url"] == data("video/mp4", box(b"isom"))
    assert found[3] == {"role": "tool", "tool_call_id": "1", "content": [{"type": "image_url", "image_url": shown}]}
    # What does not change is passed on as it is.
    for message, part in ((2, 2), (2, 4), (2, 5)):
        assert found[message]["content"][part] is messages[message]["content"][part]
    assert [found[n] is messages[n] for n in (0, 4)] == [True, True]


async def test_addresses_that_the_provider_fetches_stay(tls: Tls) -> None:
    asked: list[tuple[str, str]] = []

    def fetches(kind: str, url: str) -> bool:
        asked.append((kind, url))
        return kind == "image_url" or "youtube" in url

    messages = [user(image("http://a.test/x"), {"type": "video_url", "video_url": {"url": "https://youtube.test/x"}})]
    async with world(tls, saying(IMAGE)) as (there, fetcher):
        assert await inlined(fetcher, messages, fetches) is messages
        assert there.connections == 0
    assert asked == [("image_url", "http://a.test/x"), ("video_url", "https://youtube.test/x")]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (image(f"https://{HOST}/"), "a part of the type image_url points at text/html, which is not an image"),
        (
            {"type": "video_url", "video_url": {"url": f"https://{HOST}/"}},
            "a part of the type video_url points at text/html, which is not a video",
        ),
    ],
)
async def test_a_part_that_points_at_something_else(tls: Tls, part: dict[str, Any], message: str) -> None:
    async with world(tls, saying(response(b"<p>Log in", "content-type: text/html"))) as (_, fetcher):
        with pytest.raises(InvalidRequest, match=message):
            await inlined(fetcher, [user(part)])


@pytest.mark.parametrize(
    ("url", "name"), [("/a/report.pdf?x=1", "report.pdf"), ("/", "file"), ("", "file"), ("/a/#b/c.pdf", "file")]
)
async def test_a_file_has_a_name(tls: Tls, url: str, name: str) -> None:
    async with world(tls, saying(response(b"%PDF-", "content-type: application/pdf"))) as (_, fetcher):
        part = {"type": "file", "file": {"file_data": f"https://{HOST}{url}"}}
        assert (await inlined(fetcher, [user(part)]))[0]["content"][0]["file"]["filename"] == name


def test_messages_without_parts_are_not_looked_into() -> None:
    assert not has_parts([{"role": "user", "content": "https://files.test"}, {"role": "assistant"}])
    assert has_parts([{"role": "user", "content": "a"}, user()])


def test_the_policy_of_these_tests_is_no_wider_than_it_says() -> None:
    assert not loopback(ip_address("127.0.0.2"))
