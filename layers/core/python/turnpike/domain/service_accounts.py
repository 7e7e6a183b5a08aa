"""Google's credential for programs: a JSON document with a private key (https://cloud.google.com/iam/docs/service-account-creds)."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105  # Where tokens come from.
_GOOGLE = ".googleapis.com"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """`private_key` is PEM; `token_url` is where an access token is got for it."""

    email: str
    private_key: str = field(repr=False)
    private_key_id: str | None
    project_id: str | None
    token_url: str


def parse_service_account(credential: str) -> ServiceAccount | None:
    """From the JSON, as it is or in base64; None for a credential that is something else, such as an API key.

    Raises ValueError, which says what is missing and quotes nothing.
    """
    text = _json_in(credential.strip())
    if text is None:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        raise ValueError("begins like a service account's JSON, but is none") from None
    if content.get("type") != "service_account":
        raise ValueError("is JSON, but its type is not service_account")
    return ServiceAccount(
        email=_text(content, "client_email"),
        private_key=_text(content, "private_key"),
        private_key_id=_text_or_none(content, "private_key_id"),
        project_id=_text_or_none(content, "project_id"),
        token_url=_token_url(content.get("token_uri") or _TOKEN_URL),
    )


def _json_in(credential: str) -> str | None:
    if credential.startswith("{"):
        return credential
    try:
        # Lines may be broken, as `base64` does by itself.
        decoded = base64.b64decode("".join(credential.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded if decoded.lstrip().startswith("{") else None


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"is a service account's JSON without {name}")
    return value


def _text_or_none(content: dict[str, Any], name: str) -> str | None:
    value = content.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"is a service account's JSON whose {name} is not a text")
    return value


def _token_url(url: object) -> str:
    """Only Google's own: the signed assertion that goes there is as good as the account."""
    scheme, _, rest = str(url).partition("://")
    host = rest.partition("/")[0]
    if scheme != "https" or not host.endswith(_GOOGLE) or not host.replace(".", "").replace("-", "").isalnum():
        raise ValueError(f"is a service account's JSON whose token_uri is not an https address below {_GOOGLE[1:]}")
    return str(url)
