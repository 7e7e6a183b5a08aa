"""Leads one host's HTTPS to a port of ours, for a client that has its address built in."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.local.serving import HOST, listen, port_of

_BUFFER = 65536


@dataclass(frozen=True)
class Redirect:
    """`certificate`: the file of the one to trust."""

    proxy: str
    certificate: Path

    def variables(self) -> dict[str, str]:
        return {"HTTPS_PROXY": self.proxy, "https_proxy": self.proxy, "SSL_CERT_FILE": str(self.certificate)}


@contextmanager
def redirected(host: str, port: int, folder: Path) -> Iterator[Redirect]:
    """A proxy for this host alone, which speaks TLS in its name and passes on what is in it."""
    certificate = _certify(host, folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    sock = listen()

    def run() -> None:
        while True:
            try:
                client, _ = sock.accept()
            except OSError:
                return
            threading.Thread(target=_lead, args=(client, host, port, context), daemon=True).start()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Redirect(f"http://{HOST}:{port_of(sock)}", certificate)
    finally:
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        thread.join()


def _lead(client: socket.socket, host: str, port: int, context: ssl.SSLContext) -> None:
    with client, suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(_BUFFER) or b"\r\n\r\n"
        if not head.startswith(f"CONNECT {host}:443 ".encode()):
            client.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with context.wrap_socket(client, server_side=True) as inside, socket.create_connection((HOST, port)) as there:
            _pass_on(inside, there)


def _pass_on(inside: ssl.SSLSocket, there: socket.socket) -> None:
    """Both ways in one thread, since TLS of one connection is not for two."""
    while True:
        ready = [inside] if inside.pending() else select.select([inside, there], [], [])[0]
        for source in ready:
            data = source.recv(_BUFFER)
            if not data:
                return
            (there if source is inside else inside).sendall(data)


def _certify(host: str, folder: Path) -> Path:
    """The key and its certificate in one file, good for an hour."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{host}.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path
