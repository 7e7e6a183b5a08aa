"""AWS's signature, version 4, over requests that adapters built."""

from collections.abc import Callable, Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError

from turnpike.ports.upstream import Signing
from turnpike.providers.failures import failure


class SigV4Signer:
    """Implements the port `Signer`.

    `credentials` gives what the environment has, or None; it is asked for each request, as those of a role
    are replaced every few hours. A refresh that is due asks AWS for new ones, and blocks meanwhile.
    """

    def __init__(self, credentials: Callable[[], Credentials | None], *, provider: str = "amazon-bedrock") -> None:
        """`provider` is the slug that errors name."""
        self._credentials = credentials
        self._provider = provider

    def sign(self, url: str, headers: Mapping[str, str], body: bytes, signing: Signing) -> Mapping[str, str]:
        """The headers to send, with their names in lower case. `url` has to be sent as it is, quoted once.

        Raises UpstreamError (401) when there are no credentials, or they cannot be refreshed.
        """
        request = AWSRequest(method="POST", url=url, headers=dict(headers), data=body)
        SigV4Auth(self._frozen(), signing.service, signing.region).add_auth(request)
        return {name.lower(): value for name, value in request.headers.items()}

    def _frozen(self) -> ReadOnlyCredentials:
        """Key, secret and token that belong together, whatever is refreshed meanwhile."""
        try:
            credentials = self._credentials()
            frozen = None if credentials is None else credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError):
            frozen = None
        if frozen is None:
            raise failure(self._provider, 401, "There are no AWS credentials")
        return frozen


def signer_of(access_key_id: str, secret_access_key: str, *, provider: str) -> SigV4Signer:
    """One that signs with these two, and asks nobody for others."""
    credentials = Credentials(access_key_id, secret_access_key)
    return SigV4Signer(lambda: credentials, provider=provider)
