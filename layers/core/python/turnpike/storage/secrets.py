"""Secrets that Secrets Manager keeps: JSON objects of names and values, as its console writes them."""

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING

import orjson
from botocore.exceptions import ClientError

from turnpike.domain.errors import TemporarilyBusy
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_KEPT_S = 300.0
"""A rotated secret is seen that much later. Reading one is charged, and takes as long as a database does."""


_PASSING = "InternalServiceError"


class UnreadableSecret(Exception):
    """What is configured cannot be had; the message names the secret and never holds a part of it."""


class SecretValues:
    """One secret's values, read when they are first asked for."""

    def __init__(
        self,
        client: Callable[[], "SecretsManagerClient"],
        secret_id: str,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`client` is asked for only when something is to be read; `secret_id` is a name or an ARN."""
        self._client, self._secret_id, self._now = client, secret_id, now
        self._lock = Lock()
        self._values: Mapping[str, str] = {}
        self._read_at: float | None = None

    def __call__(self) -> Mapping[str, str]:
        """Raises UnreadableSecret, TemporarilyBusy."""
        with self._lock:
            now = self._now()
            if self._read_at is None or now >= self._read_at + _KEPT_S:
                self._values = self._read()
                self._read_at = now
            return self._values

    def _read(self) -> Mapping[str, str]:
        try:
            with translated():
                text = self._client().get_secret_value(SecretId=self._secret_id)["SecretString"]
        except ClientError as error:
            # What AWS says besides names the caller's role; the code is enough to know what to mend.
            code = error.response["Error"]["Code"]
            if code == _PASSING:
                raise TemporarilyBusy("A secret cannot be read at the moment; try again") from None
            raise UnreadableSecret(f"the secret {self._secret_id} cannot be read: {code}") from None
        except KeyError:
            raise UnreadableSecret(f"the secret {self._secret_id} is binary; it has to be JSON") from None
        try:
            content = orjson.loads(text)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            # From None: the decoder's error holds the text.
            raise UnreadableSecret(f"the secret {self._secret_id} is no JSON object of names and values") from None
        return {name: value for name, value in content.items() if isinstance(value, str)}
