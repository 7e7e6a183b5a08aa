"""The JSON client over what may befall its connections, against a server on loopback."""

import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infra.local.serving import HOST, listen, port_of
from turnpike.domain.errors import TemporarilyBusy
from turnpike.storage.aws_json.client import JsonClient
from turnpike.storage.aws_json.connections import Connections
from turnpike.storage.aws_json.services import DYNAMODB, KMS, SQS, Service
from turnpike.storage.aws_json.signing import Credentials
from turnpike.storage.transactions import translated

from tests.aws_server import (
    AwsServer,
    Reply,
    Request,
    answer,
    aws_server,
    checked,
    ends,
    resets,
    sends,
    then_ends,
    whole,
)
from tests.e2e.run import eventually

SECRET, TOKEN, ITEM = "secret-of-the-role", "token-of-the-role", "what-the-customer-said"
KEY = {"pk": {"S": ITEM}}
ERROR = b'{"__type": "com.amazonaws.dynamodb.v20120810#%s", "message": "made up"}'
THROTTLED = answer(ERROR % b"ThrottlingException", 400)
FAILED = answer(ERROR % b"InternalServerError", 500)
FOUND = {"Item": {"pk": {"S": ITEM}}}
GOOD = checked(orjson.dumps(FOUND))
CHUNKS = b"5;a=b\r\n%b\r\n%X\r\n%b\r\n0\r\nx: y\r\n\r\n" % (
    orjson.dumps(FOUND)[:5],
    len(orjson.dumps(FOUND)) - 5,
    orjson.dumps(FOUND)[5:],
)


@dataclass
class Asker:
    client: Any
    waits: list[float] = field(default_factory=list)

    def get(self) -> Any:
        return self.client.get_item(TableName="t", Key=KEY)


def asker(
    url: str, service: Service = DYNAMODB, *, read_timeout_s: float = 5.0, ca_bundle: str = "", token: str = TOKEN
) -> Asker:
    connections = Connections(url, read_timeout_s=read_timeout_s, connect_timeout_s=0.5, ca_bundle=ca_bundle)
    waits: list[float] = []
    credentials = Credentials("AKID", SECRET, token)
    return Asker(JsonClient(service, "us-east-1", connections, lambda: credentials, sleep=waits.append), waits)


@pytest.fixture
def server() -> Iterator[AwsServer]:
    with aws_server() as running:
        yield running


def test_connections_are_kept(server: AwsServer) -> None:
    asks = asker(server.plays(GOOD).url)
    assert [asks.get() for _ in range(5)] == [FOUND] * 5
    assert {request.connection for request in server.requests} == {0}
    request = server.requests[0]
    assert orjson.loads(request.body) == {"TableName": "t", "Key": KEY}
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["x-amz-security-token"] == TOKEN
    assert request.headers["host"] == server.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("reply", "stays_open"),
    [
        (answer(orjson.dumps(FOUND), connection="close"), False),
        (sends(whole(orjson.dumps(FOUND)).replace(b"HTTP/1.1", b"HTTP/1.0", 1)), False),
        (then_ends(sends(b"HTTP/1.1 200 OK\r\n\r\n" + orjson.dumps(FOUND))), False),
        (sends(b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS), True),
        (sends(b"HTTP/1.1 100 Continue\r\n\r\n" + whole(orjson.dumps(FOUND))), True),
        (sends(whole(orjson.dumps(FOUND)), by=1), True),
        # What nobody has asked for must not answer the next call.
        (sends(whole(orjson.dumps(FOUND)) + whole(b'{"Item": {}}')), False),
    ],
)  # fmt: skip
def test_answers_in_other_ways_are_read(server: AwsServer, reply: Reply, stays_open: bool) -> None:
    asks = asker(server.plays(reply).url)
    assert [asks.get() for _ in range(2)] == [FOUND] * 2
    assert server.connections == (1 if stays_open else 2)
    assert asks.waits == []


@pytest.mark.parametrize(
    "fault",
    [
        FAILED,
        answer(b"", 503),
        answer(b"<html>%s</html>" % ITEM.encode(), 502),
        THROTTLED,
        answer(b"", 429),
        resets,
        ends,
        then_ends(sends(whole(b'{"Item": {}}')[:-3])),
        then_ends(sends(b"HTTP/1.1 200 OK\r\ncontent-le")),
        answer(b'{"Item": {"pk": '),
        answer(b"<html>Sign in</html>"),
        answer(b"[]"),
        answer(orjson.dumps({"Item": {}}), x_amz_crc32="1"),
        answer(b'{"Item": {"a": {"B": "!"}}}'),
        answer(b"", content_length="-1"),
        answer(b"", content_length="999999999"),
        answer(b"", content_length="0, 0"),
        answer(b"", transfer_encoding="gzip, chunked"),
        answer(b"2\r\n{}\r\n0\r\n\r\n", transfer_encoding="chunked"),
        sends(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000),
    ],
)
def test_what_may_pass_is_tried_again(server: AwsServer, fault: Reply) -> None:
    asks = asker(server.plays(fault, fault, GOOD).url)
    assert asks.get() == FOUND
    assert len(asks.waits) == 2
    assert len({request.body for request in server.requests}) == 1
    assert asks.get() == FOUND
    assert len(asks.waits) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [(resets, ConnectionClosedError), (ends, ConnectionClosedError), (answer(b"<html>"), HTTPClientError)],
)
def test_what_does_not_pass_is_told_after_three_tries(server: AwsServer, fault: Reply, error: type[Exception]) -> None:
    asks = asker(server.plays(fault).url)
    with pytest.raises(error):
        asks.get()
    assert len(server.requests) == 3


@pytest.mark.parametrize(("fault", "status", "code"), [
    (THROTTLED, 400, "ThrottlingException"), (FAILED, 500, "InternalServerError"), (answer(b"<html>", 504), 504, "504"),
])  # fmt: skip
def test_what_aws_says_is_told_after_three_tries(server: AwsServer, fault: Reply, status: int, code: str) -> None:
    asks = asker(server.plays(fault).url)
    with pytest.raises(ClientError, match="reached max retries: 2") as told:
        asks.get()
    response = told.value.response
    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["ResponseMetadata"]["RequestId"] == "REQUEST1"
    assert len(server.requests) == 3
    with pytest.raises(TemporarilyBusy), translated():
        asks.get()


@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", "ValidationException", "AccessDeniedException"])
def test_what_is_refused_is_not_tried_again(server: AwsServer, code: str) -> None:
    asks = asker(server.plays(answer(ERROR % code.encode(), 400)).url)
    with pytest.raises(ClientError, match=f"{code}.*GetItem.*made up") as told:
        asks.get()
    assert told.value.operation_name == "GetItem"
    assert told.value.response["Error"] == {"Code": code, "Message": "made up"}
    assert len(server.requests) == 1


def test_a_canceled_transaction_has_its_reasons(server: AwsServer) -> None:
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": {"b": {"B": "AAE="}, "n": {"N": "1"}}}]
    refusal = {"__type": "x#TransactionCanceledException", "Message": "canceled", "CancellationReasons": reasons}
    asks = asker(server.plays(answer(orjson.dumps(refusal), 400)).url)
    with pytest.raises(ClientError) as told:
        asks.client.transact_write_items(TransactItems=[])
    found: Any = told.value.response
    assert found["CancellationReasons"][1]["Item"] == {"b": {"B": b"\x00\x01"}, "n": {"N": "1"}}
    assert found["Error"] == {"Code": "TransactionCanceledException", "Message": "canceled"}


def test_a_transaction_is_one_however_often_it_is_sent(server: AwsServer) -> None:
    asks = asker(server.plays(FAILED, resets, answer()).url)
    asks.client.transact_write_items(TransactItems=[])
    asks.client.transact_write_items(TransactItems=[])
    tokens = [orjson.loads(request.body)["ClientRequestToken"] for request in server.requests]
    assert len(tokens) == 4
    assert len(set(tokens[:3])) == 1
    assert tokens[3] != tokens[0]


def test_aws_may_ask_for_a_longer_wait(server: AwsServer) -> None:
    asks = asker(server.plays(answer(b"", 503, x_amz_retry_after="1500"), GOOD).url)
    assert asks.get() == FOUND
    assert asks.waits == [1.5]


def test_many_failures_leave_nothing_for_further_tries(server: AwsServer) -> None:
    asks = asker(server.plays(FAILED).url)
    for _ in range(30):
        with pytest.raises(ClientError):
            asks.get()
    # 500 in all, 14 for each.
    assert len(asks.waits) == 500 // 14
    assert len(server.requests) == 30 + 500 // 14


@pytest.mark.parametrize("rested", [1, 4])
def test_connections_that_were_closed_while_they_rested_are_not_used(server: AwsServer, rested: int) -> None:
    gate = threading.Barrier(rested)

    def together(connected: socket.socket, request: Request) -> bool:
        gate.wait(5)
        GOOD(connected, request)
        gate.wait(5)
        return True

    asks = asker(server.plays(*[together] * rested, GOOD).url)
    with ThreadPoolExecutor(rested) as pool:
        assert [done.result() for done in [pool.submit(asks.get) for _ in range(rested)]] == [FOUND] * rested
    eventually(lambda: len(server.ended) == rested)
    assert asks.get() == FOUND
    assert asks.waits == []


def test_connections_that_break_take_others_that_rest_with_them(server: AwsServer) -> None:
    gate = threading.Barrier(4)

    def together(connected: socket.socket, request: Request) -> bool:
        gate.wait(5)
        return GOOD(connected, request)

    asks = asker(server.plays(*[together] * 4, resets, GOOD).url)
    with ThreadPoolExecutor(4) as pool:
        assert [done.result() for done in [pool.submit(asks.get) for _ in range(4)]] == [FOUND] * 4
    assert asks.get() == FOUND
    assert server.requests[-1].connection == 4
    assert len(asks.waits) == 1


def test_threads_have_connections_for_themselves(server: AwsServer) -> None:
    def echo(connected: socket.socket, request: Request) -> bool:
        return answer(request.body)(connected, request)

    asks = asker(server.plays(echo).url)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: asks.client.get_item(TableName=str(number)), range(200)))
    assert found == [{"TableName": str(number)} for number in range(200)]
    assert server.connections <= 8


def test_a_slow_answer_is_waited_for_no_longer_than_it_may_take() -> None:
    over = threading.Event()
    with aws_server() as server:
        asks = asker(server.plays(lambda *_: not over.wait(5)).url, read_timeout_s=0.05)
        with pytest.raises(ReadTimeoutError):
            asks.get()
        over.set()
        assert len({request.connection for request in server.requests}) == 3


def test_nobody_listens() -> None:
    with listen() as unused:
        url = f"http://{HOST}:{port_of(unused)}"
        unused.close()
    asks = asker(url)
    with pytest.raises(EndpointConnectionError, match="Could not connect"):
        asks.get()
    assert len(asks.waits) == 2


def test_a_handshake_may_take_no_longer_than_a_connection() -> None:
    with listen() as silent:
        client = JsonClient(
            DYNAMODB,
            "us-east-1",
            Connections(f"https://{HOST}:{port_of(silent)}", connect_timeout_s=0.02),
            lambda: Credentials("AKID", SECRET),
            sleep=lambda _: None,
        )
        with pytest.raises(ConnectTimeoutError):
            client.get_item(TableName="t", Key=KEY)  # type: ignore[attr-defined]


def test_bytes_go_in_and_come_out_as_they_are(server: AwsServer) -> None:
    # Attributes may be called like the types of values.
    item = {"B": {"B": b"\x00\xff"}, "BS": {"BS": [b"a", b""]}, "M": {"M": {"B": {"L": [{"B": b"x"}, {"S": "B"}]}}}}
    asks = asker(server.plays(answer()).url)
    asks.client.put_item(TableName="t", Item=item)
    sent = orjson.loads(server.requests[0].body)["Item"]
    assert sent["B"] == {"B": "AP8="}
    server.plays(answer(orjson.dumps({"Item": sent})))
    asks.get()
    assert asks.get()["Item"] == item


def test_what_kms_makes_is_bytes(server: AwsServer) -> None:
    asks = asker(server.plays(answer(b'{"KeyId": "AAE=", "Plaintext": "AAE="}')).url, KMS)
    opened = asks.client.decrypt(CiphertextBlob=b"\x02", EncryptionContext={"a": "b"})
    assert opened == {"KeyId": "AAE=", "Plaintext": b"\x00\x01"}
    assert orjson.loads(server.requests[0].body)["CiphertextBlob"] == "Ag=="
    assert server.requests[0].headers["content-type"] == "application/x-amz-json-1.1"


def test_errors_of_queues_have_the_codes_that_they_had(server: AwsServer) -> None:
    body = b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "made up"}'
    refusal = answer(body, 400, x_amzn_query_error="AWS.SimpleQueueService.NonExistentQueue;Sender")
    asks = asker(server.plays(refusal).url, SQS)
    with pytest.raises(ClientError) as told:
        asks.client.send_message(QueueUrl="q", MessageBody="{}")
    assert told.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert server.requests[0].headers["x-amzn-query-mode"] == "true"


FAULTS = [resets, answer(b"<html>%s" % ITEM.encode(), 502), answer(b'{"a": "%s"' % ITEM.encode()), FAILED,
          sends(b"%s\r\n\r\n" % ITEM.encode()), answer(b'{"a": "%s"}' % ITEM.encode(), x_amz_crc32="1")]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_neither_log_nor_error_shows_what_is_nobodys_business(
    server: AwsServer, fault: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asks = asker(server.plays(fault).url)
    with pytest.raises((ClientError, HTTPClientError)) as told:
        asks.get()
    response = getattr(told.value, "response", None)
    shown = f"{told.value!r} {told.value} {response} {told.value.__cause__!r} {caplog.text}"
    assert not [secret for secret in (SECRET, TOKEN, ITEM) if secret in shown]


def test_a_call_belongs_to_the_invocation_that_made_it(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = asker(server.plays(GOOD).url)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-ü;Parent=2;Sampled=1")
    asks.get()
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "completions")
    asks.get()
    elsewhere, on_lambda = (request.headers for request in server.requests)
    assert "x-amzn-trace-id" not in elsewhere
    assert on_lambda["x-amzn-trace-id"] == "Root=1-%C3%BC;Parent=2;Sampled=1"
    # Whoever stands in between may change it.
    assert "x-amzn-trace-id" not in on_lambda["authorization"]


def test_a_token_that_would_be_a_header_of_its_own_is_not_sent(server: AwsServer) -> None:
    asks = asker(server.plays(GOOD).url, token="one\r\nx-two: 2")
    with pytest.raises(ValueError, match="x-amz-security-token cannot be sent") as told:
        asks.get()
    assert "x-two" not in str(told.value)
    assert server.requests == []


def authority(host: str, folder: Path) -> tuple[ssl.SSLContext, str]:
    """What serves as `host`, and the file that says so."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    bundle, secret = folder / f"{host}.pem", folder / f"{host}.key"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, secret)
    return context, str(bundle)


def test_over_tls_connections_are_kept(tmp_path: Path) -> None:
    context, bundle = authority(HOST, tmp_path)
    with aws_server(context) as server:
        asks = asker(server.plays(GOOD).url, ca_bundle=bundle)
        assert [asks.get() for _ in range(5)] == [FOUND] * 5
        assert server.connections == 1


@pytest.mark.parametrize("host", [HOST, "127.0.0.2"])
def test_who_is_not_who_they_should_be_is_told_nothing(tmp_path: Path, host: str) -> None:
    context, bundle = authority(host, tmp_path)
    with aws_server(context) as server:
        # Known to nobody, or known as somebody else.
        asks = asker(server.plays(GOOD).url, ca_bundle="" if host == HOST else bundle)
        with pytest.raises(SSLError, match="certificate verify failed"):
            asks.get()
        assert server.requests == []


@pytest.mark.parametrize("url", ["ftp://host", "host:80", "http://", "http://host/path", "http://host?a=b"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="an address of AWS is"):
        Connections(url)
