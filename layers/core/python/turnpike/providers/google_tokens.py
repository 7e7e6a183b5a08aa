"""Access tokens for Google Cloud from a service account's key, by OAuth's JWT bearer grant (RFC 7523).

https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import orjson

from turnpike.domain.errors import UpstreamError
from turnpike.domain.service_accounts import ServiceAccount
from turnpike.providers.failures import failure, unreachable
from turnpike.providers.transport import BROKEN, LATE

PostForm = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]
"""From an address and a form's fields to the answer's (status, body), as `transport.post_form` does it."""

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_ASSERTION_S = 3600
"""The longest that Google allows."""
_EARLY_S = 300.0
"""A token is renewed so long before it ends: what is sent with it may be long under way."""
_ANSWER_S = 10.0


class GoogleTokens:
    """Implements the port `TokenSource`. Many callers at once share one renewal, and its failure."""

    def __init__(
        self, provider: str, account: ServiceAccount, post: PostForm, *, now: Callable[[], float] = time.time
    ) -> None:
        self._provider = provider
        self._account = account
        self._post = post
        self._now = now
        self._token = ""
        self._expires_at = 0.0
        self._renewal: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """Raises UpstreamError: 401 when Google refuses the account, no status when it cannot be asked."""
        if self._now() < self._expires_at - _EARLY_S:
            return self._token
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._renewed)
        # A caller that leaves does not take the renewal from the others.
        return await asyncio.shield(self._renewal)

    def _renewed(self, task: "asyncio.Task[str]") -> None:
        self._renewal = None
        if not task.cancelled():
            # Nobody may be there any more to hear of it.
            task.exception()

    async def _renew(self) -> str:
        asked_at = self._now()
        try:
            token, lasts_s = await self._ask(asked_at)
        except UpstreamError:
            if asked_at < self._expires_at:
                return self._token
            raise
        self._token, self._expires_at = token, asked_at + lasts_s
        return token

    async def _ask(self, now: float) -> tuple[str, float]:
        """A new token, and for how many seconds it lasts."""
        # In a thread: the library takes a tenth of a second to load, once.
        assertion = await asyncio.to_thread(_sign, self._account, int(now))
        if assertion is None:
            raise failure(self._provider, 401)
        fields = {"grant_type": _GRANT, "assertion": assertion}
        try:
            async with asyncio.timeout(_ANSWER_S):
                status, body = await self._post(self._account.token_url, fields)
        except (*LATE, *BROKEN):
            status, body = 0, b""
        if 400 <= status < 500 and status != 429:
            # Whatever it is, an account that does not exist or a clock that is wrong, it is for the operator to mend.
            raise failure(self._provider, 401)
        answer = _parse_answer(body) if status == 200 else None
        if answer is None:
            raise unreachable(self._provider, "The provider's access tokens cannot be got")
        return answer


def _sign(account: ServiceAccount, now: int) -> str | None:
    """The assertion, a signed JWT; None when the account's key is none."""
    # Loaded only where it is used: together with `cryptography` it is the largest of our packages.
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    header = {"alg": "RS256", **({"kid": account.private_key_id} if account.private_key_id else {})}
    claims = {
        "iss": account.email,
        "scope": _SCOPE,
        "aud": account.token_url,
        "iat": now,
        "exp": now + _ASSERTION_S,
    }
    try:
        return jwt.encode(header, claims, RSAKey.import_key(account.private_key), algorithms=["RS256"])
    except Exception:
        # Whatever the libraries say of a key may quote it.
        return None


def _parse_answer(body: bytes) -> tuple[str, float] | None:
    try:
        answer = orjson.loads(body)
        token, lasts_s = answer["access_token"], answer["expires_in"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if not isinstance(token, str) or not token or not isinstance(lasts_s, int | float):
        return None
    return token, float(lasts_s)
