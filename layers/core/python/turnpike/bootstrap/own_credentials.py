"""What lets us in where it is no API key, for deployments whose credentials change while an environment lives."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from turnpike.bootstrap.resources import Resources
from turnpike.domain.service_accounts import parse_service_account
from turnpike.ports.upstream import Signer, Signing, TokenSource

if TYPE_CHECKING:
    from turnpike.providers.aws_signing import SigV4Signer

PostForm = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]


def sign_when_needed(parts: Resources) -> Signer:
    """What signs takes its time to load, and there may never be a provider that wants it."""
    return _LateSigner(parts)


def tokens_as_they_come(parts: Resources, post: PostForm) -> Mapping[str, TokenSource]:
    """By slug, of whichever service account the secret holds at the time."""
    return _Tokens(parts, post)


class _LateSigner:
    def __init__(self, parts: Resources) -> None:
        @cache
        def signer() -> "SigV4Signer":
            from turnpike.providers.aws_signing import SigV4Signer

            return SigV4Signer(parts.aws_credentials)

        self._signer = signer

    def sign(self, url: str, headers: Mapping[str, str], body: bytes, signing: Signing) -> Mapping[str, str]:
        return self._signer().sign(url, headers, body, signing)


class _Tokens(Mapping[str, TokenSource]):
    def __init__(self, parts: Resources, post: PostForm) -> None:
        self._parts, self._post = parts, post
        self._made: dict[str, tuple[str, TokenSource | None]] = {}

    def __getitem__(self, slug: str) -> TokenSource:
        if self._parts.catalog.get_provider(slug).credential != "google-service-account":
            raise KeyError(slug)
        text = self._parts.provider_keys[slug]
        made_from, source = self._made.get(slug, ("", None))
        if made_from != text:
            source = self._make(slug, text)
            self._made[slug] = (text, source)
        if source is None:
            raise KeyError(slug)
        return source

    def _make(self, slug: str, text: str) -> TokenSource | None:
        try:
            account = parse_service_account(text)
        except ValueError:
            # The catalog has said so already, and what it served before it still does.
            return None
        if account is None:
            return None
        from turnpike.providers.google_tokens import GoogleTokens

        return GoogleTokens(slug, account, self._post)

    def __iter__(self) -> Iterator[str]:
        return (provider.slug for provider in self._parts.catalog.providers if provider.slug in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
