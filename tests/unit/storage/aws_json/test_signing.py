"""Signatures, against botocore's own of the same request."""

from datetime import UTC, datetime
from typing import Any

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from turnpike.storage.aws_json.signing import Credentials, Signer

NOW = datetime(2026, 11, 28, 19, 26, 40, tzinfo=UTC)
WHEN = NOW.strftime("%Y%m%dT%H%M%SZ")
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
NAMES = st.from_regex(r"x-[a-z0-9]+(-[a-z0-9]+)?", fullmatch=True)
VALUES = TEXTS | st.sampled_from(["", "  ", " two  blanks ", "tab\tand  more\t", "a,b", "ü", "x" * 300])


class _At(botocore.auth.SigV4Auth):
    """Signs as of then, with all else its own."""

    def add_auth(self, request: Any) -> None:
        request.context["timestamp"] = WHEN
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))


@given(
    body=st.binary(max_size=300) | TEXTS.map(str.encode),
    headers=st.dictionaries(NAMES, VALUES, max_size=6),
    access_key=WORDS,
    secret_key=TEXTS.filter(bool),
    token=st.just("") | WORDS,
    service=st.sampled_from(["dynamodb", "sqs", "kms", "secretsmanager"]),
    region=st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1"]),
    host=st.sampled_from(["dynamodb.us-east-1.amazonaws.com", "127.0.0.1:4566", "[::1]:8000"]),
)
def test_it_is_what_botocore_makes_of_the_same_request(
    body: bytes,
    headers: dict[str, str],
    access_key: str,
    secret_key: str,
    token: str,
    service: str,
    region: str,
    host: str,
) -> None:
    headers = {"content-type": "application/x-amz-json-1.0", **headers, "host": host}
    request = AWSRequest("POST", f"http://{host}/", headers=headers, data=body)
    _At(BotocoreCredentials(access_key, secret_key, token or None), service, region).add_auth(request)

    signed = Signer(service, region).sign(headers, body, Credentials(access_key, secret_key, token), WHEN)

    assert signed["authorization"] == request.headers["Authorization"]
    assert signed["x-amz-date"] == WHEN
    assert signed.get("x-amz-security-token", "") == token
    assert {name: signed[name] for name in headers} == headers


def test_a_key_that_was_derived_is_of_its_day_and_its_secret_alone() -> None:
    signer = Signer("dynamodb", "us-east-1")
    headers = {"host": "dynamodb.us-east-1.amazonaws.com"}
    asked = [(Credentials("k", secret), when) for secret in "ab" for when in (WHEN, "20261129T000000Z")]
    for credentials, when in [*asked, *reversed(asked)]:
        again = Signer("dynamodb", "us-east-1").sign(headers, b"{}", credentials, when)
        assert signer.sign(headers, b"{}", credentials, when) == again


def test_credentials_do_not_show_what_is_secret_of_them() -> None:
    assert repr(Credentials("AKID", "hush", "quiet")) == "Credentials(access_key='AKID')"
