"""Customers' own keys as adapters and the client use them: a key, a token got with one, or a signature."""

from weakref import WeakKeyDictionary

from turnpike.domain.byok import Credential
from turnpike.domain.service_accounts import parse_service_account
from turnpike.ports.upstream import Signer, TokenSource
from turnpike.providers.failures import failure
from turnpike.providers.google_tokens import GoogleTokens, PostForm


class CustomerCredentials:
    """Nothing in here ever falls back to a credential of our own."""

    def __init__(self, post: PostForm) -> None:
        self._post = post
        # A token lasts an hour, and is forgotten along with the credential that it was got with.
        self._tokens: WeakKeyDictionary[Credential, TokenSource] = WeakKeyDictionary()

    async def credential(self, provider: str, opened: Credential | None) -> tuple[str, Signer | None]:
        """(what an adapter takes for a key, who signs in place of one). Raises UpstreamError: 401 for what is none."""
        if opened is None or not opened.secret:
            raise failure(provider, 401)
        if opened.form == "google-service-account":
            return await self._source(provider, opened).token(), None
        if opened.form == "aws-keys":
            return "", _signer(provider, opened)
        return opened.secret, None

    def _source(self, provider: str, opened: Credential) -> TokenSource:
        source = self._tokens.get(opened)
        if source is None:
            account = parse_service_account(opened.secret)
            if account is None:
                raise failure(provider, 401)
            source = self._tokens[opened] = GoogleTokens(provider, account, self._post)
        return source


def _signer(provider: str, opened: Credential) -> Signer:
    from turnpike.providers.aws_signing import signer_of

    return signer_of(opened.public, opened.secret, provider=provider)
