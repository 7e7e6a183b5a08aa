"""Who may call what: every route asks one of these three."""

from starlette.datastructures import Headers

from turnpike.domain.api_keys import Principal
from turnpike.domain.errors import PermissionDenied
from turnpike.services.authenticate import Authenticate


class Guard:
    """Authenticates a request's key, and checks that its role fits the route.

    Each method raises Unauthenticated or PermissionDenied.
    """

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    async def any_key(self, headers: Headers) -> Principal:
        return await self._authenticate(_secret(headers))

    async def inference(self, headers: Headers) -> Principal:
        principal = await self.any_key(headers)
        if principal.key.role != "inference":
            raise PermissionDenied("Management keys cannot call models; create an API key with POST /keys")
        return principal

    async def management(self, headers: Headers) -> Principal:
        principal = await self.any_key(headers)
        if principal.key.role == "inference":
            raise PermissionDenied("Only management keys can perform this operation")
        return principal

    async def operator(self, headers: Headers) -> Principal:
        principal = await self.any_key(headers)
        if principal.key.role != "operator":
            raise PermissionDenied("Only the operator's key can perform this operation")
        return principal


def _secret(headers: Headers) -> str | None:
    """The bearer's, or what Anthropic's clients send instead; those that send both mean the bearer's."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    return headers.get("x-api-key", "").strip() or None
