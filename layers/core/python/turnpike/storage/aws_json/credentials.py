"""Who signs: the role that Lambda puts in the environment, or whatever else botocore knows to find."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from turnpike.storage.aws_json.signing import Credentials

if TYPE_CHECKING:
    import botocore.credentials

GetCredentials = Callable[[], Credentials]


def find_credentials(
    environ: Mapping[str, str], resolve: "Callable[[], botocore.credentials.Credentials | None]"
) -> GetCredentials:
    """`resolve` is called for what the environment does not hold: profiles, and those of containers, which SnapStart
    has, and which renew themselves.
    """
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    # Those that expire while the process lives have it look at the environment again, which is left to botocore.
    if access_key and secret_key and "AWS_CREDENTIAL_EXPIRATION" not in environ:
        token = environ.get("AWS_SESSION_TOKEN") or ""
        found = Credentials(access_key, secret_key, token)
        return lambda: found
    return lambda: _frozen(resolve())


def _frozen(found: "botocore.credentials.Credentials | None") -> Credentials:
    """As they are now, renewed if need be. Raises botocore's NoCredentialsError."""
    if found is None:
        from botocore.exceptions import NoCredentialsError

        raise NoCredentialsError
    now = found.get_frozen_credentials()
    return Credentials(str(now.access_key), str(now.secret_key), now.token or "")
