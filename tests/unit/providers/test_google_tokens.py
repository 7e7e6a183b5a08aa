"""Access tokens for Google Cloud, from an account with a real key and a Google that is none."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from turnpike.domain.errors import UpstreamError
from turnpike.domain.service_accounts import ServiceAccount
from turnpike.ports.upstream import TokenSource
from turnpike.providers.google_tokens import GoogleTokens
from turnpike.providers.transport import post_form

pytestmark = pytest.mark.anyio
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ACCOUNT = ServiceAccount("router@p.iam.gserviceaccount.com", PEM, "key-1", "p", "https://oauth2.googleapis.com/token")
NOW = 1_790_000_000.0


def granted(token: str = "ya29.first", lasts_s: object = 3599) -> tuple[int, bytes]:
    return 200, json.dumps({"access_token": token, "expires_in": lasts_s, "token_type": "Bearer"}).encode()


@dataclass
class Google:
    """Gives the next answer, the last one again and again; each takes a moment."""

    answers: list[tuple[int, bytes] | Exception]
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    async def __call__(self, url: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
        self.asked.append((url, fields))
        await asyncio.sleep(0.01)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def tokens(
    *answers: tuple[int, bytes] | Exception, account: ServiceAccount = ACCOUNT
) -> tuple[GoogleTokens, Google, Clock]:
    google, clock = Google(list(answers)), Clock()
    return GoogleTokens("google-vertex", account, google, now=clock), google, clock


async def failing(source: TokenSource) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await source.token()
    error = caught.value
    assert (error.provider, error.retryable, error.__cause__, error.__context__) == ("google-vertex", True, None, None)
    assert "PRIVATE" not in str(error)
    assert "iam.gserviceaccount" not in str(error)
    return error


async def test_a_token_is_asked_for_with_a_signed_assertion() -> None:
    source, google, _ = tokens(granted())
    assert await source.token() == "ya29.first"
    ((url, form),) = google.asked
    assert url == "https://oauth2.googleapis.com/token"
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert set(form) == {"grant_type", "assertion"}
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assertion = jwt.decode(form["assertion"], RSAKey.import_key(public), algorithms=["RS256"])
    assert assertion.header == {"typ": "JWT", "alg": "RS256", "kid": "key-1"}
    assert assertion.claims == {
        "iss": "router@p.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
    }


async def test_a_token_serves_until_five_minutes_before_its_end() -> None:
    source, google, clock = tokens(granted(), granted("ya29.second"))
    for at in (0, 1, 3298):
        clock.now = NOW + at
        assert await source.token() == "ya29.first"
    assert len(google.asked) == 1
    clock.now = NOW + 3299
    assert await source.token() == "ya29.second"
    clock.now = NOW + 3299 + 3298
    assert await source.token() == "ya29.second"
    assert len(google.asked) == 2


async def test_callers_at_once_share_one_renewal() -> None:
    source, google, _ = tokens(granted())
    assert set(await asyncio.gather(*(source.token() for _ in range(20)))) == {"ya29.first"}
    assert len(google.asked) == 1


async def test_callers_at_once_share_its_failure_and_the_next_one_tries_again() -> None:
    source, google, _ = tokens((500, b""), granted())
    found = await asyncio.gather(*(source.token() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(each, UpstreamError) for each in found)
    assert len(google.asked) == 1
    assert await source.token() == "ya29.first"


async def test_a_caller_that_leaves_takes_nothing_from_the_others() -> None:
    source, google, _ = tokens(granted())
    leaving, staying = asyncio.create_task(source.token()), asyncio.create_task(source.token())
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "ya29.first"
    assert (leaving.cancelled(), len(google.asked)) == (True, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_an_account_that_google_refuses_is_our_fault(status: int) -> None:
    told = b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature: router@p.iam.gserviceaccount.com"}'
    source, _, _ = tokens((status, told))
    error = await failing(source)
    assert (error.upstream_status, error.error_type, error.status) == (401, "provider_unavailable", 502)


@pytest.mark.parametrize(
    "change",
    [{"private_key": "no key"}, {"private_key": PEM.replace("M", "N", 40)}, {"private_key": PEM[:200]}],
)
async def test_a_key_that_is_none_is_our_fault(change: dict[str, str]) -> None:
    source, google, _ = tokens(granted(), account=replace(ACCOUNT, **change))
    assert (await failing(source)).upstream_status == 401
    assert google.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (503, b"{}"),
        (429, b"{}"),
        (302, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        granted(""),
        granted(lasts_s="soon"),
        (200, b'{"access_token": 5, "expires_in": 3599}'),
        TimeoutError(),
        httpx2.ConnectError("x"),
    ],
    ids=str,
)
async def test_a_google_that_does_not_answer_is_not(answer: tuple[int, bytes] | Exception) -> None:
    source, _, _ = tokens(answer)
    error = await failing(source)
    assert (error.upstream_status, error.error_type) == (None, "provider_unavailable")


async def test_the_old_token_serves_while_a_new_one_cannot_be_got() -> None:
    source, google, clock = tokens(granted(), (503, b""))
    await source.token()
    clock.now = NOW + 3598
    assert await source.token() == "ya29.first"
    assert len(google.asked) == 2
    clock.now = NOW + 3600
    await failing(source)


async def test_a_fault_of_our_own_is_not_hidden() -> None:
    source, _, _ = tokens(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await source.token()


async def test_the_form_goes_over_the_providers_transport() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=granted()[1])

    transport = httpx2.MockTransport(answer)

    async def post(url: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
        return await post_form(transport, url, fields)

    assert await GoogleTokens("google-vertex", ACCOUNT, post).token() == "ya29.first"
    (request,) = seen
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.content.startswith(b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey")


def test_nothing_of_it_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys, turnpike.providers.google_tokens; print('joserfc' in sys.modules, 'cryptography' in sys.modules)"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    printed = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, check=True, text=True)
    assert printed.stdout.split() == ["False", "False"]


def test_the_port_is_implemented() -> None:
    source: Callable[..., TokenSource] = GoogleTokens
    assert source
