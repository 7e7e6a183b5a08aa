"""Signature Version 4 of a POST to `/`: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    """Of temporary credentials; empty otherwise."""


class Signer:
    """For one service in one region. Threads may share it."""

    def __init__(self, service: str, region: str) -> None:
        self._service, self._region = service, region
        # A key is good for a day, and takes four of the five hashes of a signature.
        self._key: tuple[tuple[str, str], bytes] = (("", ""), b"")

    def sign(
        self, headers: Mapping[str, str], body: bytes, credentials: Credentials, timestamp: str
    ) -> Mapping[str, str]:
        """The headers and those that authorize them. Names are in lower case, and `host` is among them; all are signed.

        `timestamp` is in UTC, as in 20261128T192640Z.
        """
        signed = {**headers, "x-amz-date": timestamp}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = sorted(signed)
        listed = ";".join(names)
        lines = "\n".join(f"{name}:{' '.join(signed[name].split())}" for name in names)
        canonical = f"POST\n/\n\n{lines}\n\n{listed}\n{hashlib.sha256(body).hexdigest()}"
        day = timestamp[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(credentials.secret_key, day), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def _signing_key(self, secret_key: str, day: str) -> bytes:
        made_from, key = self._key
        if made_from != (secret_key, day):
            key = f"AWS4{secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = ((secret_key, day), key)
        return key
