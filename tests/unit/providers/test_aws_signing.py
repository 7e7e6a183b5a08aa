"""Requests signed for AWS, against the signature's own definition and against AWS's own client.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from turnpike.domain.errors import UpstreamError
from turnpike.providers.aws_signing import SigV4Signer
from turnpike.providers.request import Signing

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2VjE+/=="
URL = "https://bedrock-runtime.eu-central-1.amazonaws.com/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"
HEADERS = {"content-type": "application/json", "accept": "application/json", "user-agent": "turnpike"}
BODY = '{"messages": [{"role": "user", "content": [{"text": "Grüezi"}]}]}'.encode()
SIGNING = Signing("bedrock", "eu-central-1")


def signed(credentials: Any, url: str = URL, headers: dict[str, str] | None = None) -> dict[str, str]:
    signer = SigV4Signer(lambda: credentials)
    return dict(signer.sign(url, HEADERS if headers is None else headers, BODY, SIGNING))


def signature(url: str, headers: dict[str, str], names: str) -> str:
    """From the definition: canonical request, string to sign, derived key."""
    address = urlsplit(url)
    sent = {**headers, "host": address.netloc}
    told = "".join(f"{name}:{sent[name]}\n" for name in names.split(";"))
    hashed = hashlib.sha256(BODY).hexdigest()
    # The path is quoted once more than it is sent, for every service but S3.
    canonical = f"POST\n{quote(address.path, safe='/~')}\n{address.query}\n{told}\n{names}\n{hashed}"
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{SIGNING.region}/{SIGNING.service}/aws4_request"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    whole = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(key, whole.encode(), "sha256").hexdigest()


@pytest.mark.parametrize(
    "url",
    [
        URL,
        URL.replace("%3A", ":"),
        "https://bedrock-runtime.eu-central-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012"
        "%3Aapplication-inference-profile%2Fabcdef123456/converse-stream",
    ],
)
def test_a_signature_is_what_its_definition_says(url: str) -> None:
    sent = signed(Credentials(KEY, SECRET), url)
    algorithm, _, rest = sent["authorization"].partition(" ")
    told = dict(part.split("=", 1) for part in rest.split(", "))
    assert algorithm == "AWS4-HMAC-SHA256"
    assert told["Credential"] == f"{KEY}/{sent['x-amz-date'][:8]}/eu-central-1/bedrock/aws4_request"
    assert told["SignedHeaders"] == "accept;content-type;host;x-amz-date"
    assert told["Signature"] == signature(url, sent, told["SignedHeaders"])
    assert sent.items() >= HEADERS.items()
    assert "x-amz-security-token" not in sent


def test_a_session_token_is_sent_and_signed() -> None:
    sent = signed(Credentials(KEY, SECRET, TOKEN))
    assert sent["x-amz-security-token"] == TOKEN
    names = "accept;content-type;host;x-amz-date;x-amz-security-token"
    assert f"SignedHeaders={names}, Signature={signature(URL, sent, names)}" in sent["authorization"]


def test_an_earlier_signature_is_replaced() -> None:
    first = signed(Credentials(KEY, SECRET, TOKEN))
    again = signed(Credentials(KEY, SECRET), headers={**HEADERS, "authorization": first["authorization"]})
    assert again["authorization"].count("AWS4-HMAC-SHA256") == 1
    assert len({name.lower() for name in again}) == len(again)


class Nothing:
    """The body of an answer that nobody sent."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield b"{}"


def test_aws_own_client_signs_the_same_request_alike() -> None:
    client: Any = botocore.session.Session().create_client(
        "bedrock-runtime",
        region_name=SIGNING.region,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        aws_session_token=TOKEN,
    )
    caught: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        caught.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), Nothing())

    client.meta.events.register("before-send.bedrock-runtime.Converse", answer)
    # Both take the time for themselves, and the second may turn between them.
    for _ in range(5):
        client.converse(modelId="us.anthropic.claude-haiku-4-5-20251001-v1:0", messages=[])
        theirs = caught[-1]
        told = {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in theirs.headers.items()
        }
        signer = SigV4Signer(lambda: Credentials(KEY, SECRET, TOKEN))
        ours = signer.sign(theirs.url, {"content-type": told["content-type"]}, theirs.body, SIGNING)
        if ours["x-amz-date"] == told["x-amz-date"]:
            break
    assert ours == {name: told[name] for name in ours}
    assert ours.keys() == {"content-type", "x-amz-date", "x-amz-security-token", "authorization"}
    assert theirs.url == URL


def test_credentials_are_asked_for_each_time() -> None:
    given = iter([Credentials("AKIDFIRST", SECRET), Credentials("AKIDSECOND", SECRET)])
    signer = SigV4Signer(lambda: next(given))
    first, second = (signer.sign(URL, HEADERS, BODY, SIGNING)["authorization"] for _ in range(2))
    assert "AKIDFIRST" in first
    assert "AKIDSECOND" in second


def test_without_credentials_nothing_is_sent() -> None:
    with pytest.raises(UpstreamError) as raised:
        signed(None)
    assert raised.value.upstream_status == 401
    assert raised.value.retryable
    assert raised.value.provider == "amazon-bedrock"


def test_credentials_that_cannot_be_refreshed_are_none() -> None:
    class Lost(RefreshableCredentials):
        def __init__(self) -> None:
            pass

        def get_frozen_credentials(self) -> ReadOnlyCredentials:
            raise CredentialRetrievalError(provider="container-role", error_msg="no route to 169.254.170.2")

    with pytest.raises(UpstreamError) as raised:
        signed(Lost())
    assert raised.value.upstream_status == 401
    assert "169.254" not in raised.value.message
