"""Envelope encryption: each secret under a data key of its own, which AWS KMS alone can open."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from turnpike.domain.byok import Sealed, VaultError
from turnpike.domain.errors import TemporarilyBusy

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_NONCE_BYTES = 12
"""As NIST SP 800-38D wants it; a data key encrypts once, so that none ever repeats under it."""

_PASSING = frozenset(
    {
        "DependencyTimeoutException",
        "InternalServerError",
        "KMSInternalException",
        "LimitExceededException",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)
"""https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html"""


class KmsVault:
    """AES-256-GCM, the context as its additional data and as KMS's encryption context, which CloudTrail shows."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self._client, self._key_id = client, key_id

    def seal(self, secret: str, context: Mapping[str, str]) -> Sealed:
        with _translated():
            made = self._client.generate_data_key(KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=context)
        nonce = os.urandom(_NONCE_BYTES)
        encrypted = AESGCM(made["Plaintext"]).encrypt(nonce, secret.encode(), _additional(context))
        return Sealed(made["CiphertextBlob"], nonce + encrypted)

    def open(self, sealed: Sealed, context: Mapping[str, str]) -> str:
        with _translated():
            # Whichever key it was made with, so that what was sealed before another one was set stays readable.
            opened = self._client.decrypt(CiphertextBlob=sealed.data_key, EncryptionContext=context)
        nonce, encrypted = sealed.ciphertext[:_NONCE_BYTES], sealed.ciphertext[_NONCE_BYTES:]
        try:
            return AESGCM(opened["Plaintext"]).decrypt(nonce, encrypted, _additional(context)).decode()
        except (InvalidTag, ValueError):
            raise VaultError("A sealed secret cannot be opened: it is not as it was sealed") from None


@contextmanager
def _translated() -> Iterator[None]:
    """Throttling and lost connections are a busy moment; whatever else it is, another try does not help."""
    try:
        yield
    except (ConnectionError, HTTPClientError) as error:
        raise TemporarilyBusy("The key service cannot be reached; try again") from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _PASSING:
            raise TemporarilyBusy("The key service is busy; try again") from error
        raise VaultError(f"The key service refuses to work: {code}") from error
    except BotoCoreError as error:
        raise VaultError(f"The key service cannot be asked: {type(error).__name__}") from error


def _additional(context: Mapping[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True).encode()
