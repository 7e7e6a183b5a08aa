"""Customers' own keys in the forms that OpenRouter takes, brought into the one that our adapters take.

    a string                                                        most providers, and Amazon Bedrock's API keys
    {"accessKeyId", "secretAccessKey", "region"}                    Amazon Bedrock
    {"type": "service_account", ..., "region"}                      Google Vertex AI
    {"api_key", "resource_name", "resource_type"}                   a resource of Azure's, and all its deployments
    {"api_key", "endpoint_url", "model_slug", "model_id"}           one deployment of Azure's

https://openrouter.ai/docs/guides/overview/auth/byok
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from turnpike.domain.byok import Credential, Place, mask
from turnpike.domain.catalog import Provider
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.service_accounts import parse_service_account

_LONGEST = 16_384
_PLAIN = re.compile(r"[!-~]+")
"""What may stand in a header."""
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)*")
_PROJECT = re.compile(r"[a-z][a-z0-9.:-]{0,99}")
_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")

# https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
_AZURE_HOSTS: Mapping[str, str] = {"openai": "openai.azure.com", "ai_foundry": "services.ai.azure.com"}
_AZURE_SUFFIXES = (*_AZURE_HOSTS.values(), "cognitiveservices.azure.com")
_AZURE_PATH = re.compile(r"(/openai/v1|/openai/deployments/[A-Za-z0-9._-]+)(?:/chat/completions|/responses)?/?")
_AZURE_QUERY = re.compile(r"(api-version=[a-z0-9-]{1,32})?")


class CustomerKey(NamedTuple):
    """A key in our own form; the label is what may be shown of it."""

    credential: Credential
    place: Place
    label: str


def parse_customer_key(provider: Provider, text: str) -> CustomerKey:
    """`provider` is as the catalog declares it. Raises InvalidRequest, which says what is wrong and quotes nothing."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        raise _wrong(f"must have from 1 to {_LONGEST} characters")
    parse = _FORMS.get(provider.credential) or _WIRES.get(provider.wire) or _plain
    return parse(provider, text)


def _plain(provider: Provider, text: str) -> CustomerKey:
    if text[0] in "{[":
        raise _wrong(f"must be the API key itself for {provider.name}: keys in JSON are not supported there")
    return CustomerKey(_api_key(text), Place(), mask(text))


def _aws(provider: Provider, text: str) -> CustomerKey:
    """An API key is good in one region only, which is the deployment's, or the provider's usual one."""
    if text[0] != "{":
        return _plain(provider, text)
    content = _object(text)
    if content.get("sessionToken"):
        raise _wrong("must be lasting: credentials with a sessionToken end within hours")
    access_key_id = _member(content, "accessKeyId", _PLAIN)
    secret = _member(content, "secretAccessKey", _PLAIN)
    place = Place((("region", _member(content, "region", _REGION)),))
    return CustomerKey(Credential("aws-keys", secret, access_key_id), place, mask(access_key_id))


def _google(provider: Provider, text: str) -> CustomerKey:
    try:
        account = parse_service_account(text)
    except ValueError as error:
        raise _wrong(str(error)) from None
    if account is None:
        raise _wrong(f"must be a service account's JSON for {provider.name}, with a region if not global")
    if not _PROJECT.fullmatch(account.project_id or ""):
        # Without one, the deployment's own project would be asked.
        raise _wrong("is a service account's JSON without project_id, or with one that cannot be right")
    content = _object(text) if text[0] == "{" else {}
    place = [("project", account.project_id or "")]
    if "region" in content:
        place.append(("location", _member(content, "region", _REGION)))
    return CustomerKey(Credential("google-service-account", text), Place(tuple(place)), mask(account.email))


def _azure(provider: Provider, text: str) -> CustomerKey:
    """Of a list, which OpenRouter takes, one: each of ours is tried, limited and withdrawn by itself."""
    content: Any = _json(text) if text[0] in "{[" else None
    if isinstance(content, list) and len(content) > 1:
        raise _wrong("must hold one resource or deployment: create a key for each of them")
    content = content[0] if isinstance(content, list) and content else content
    if not isinstance(content, dict):
        raise _wrong(
            f"must be JSON for {provider.name}: api_key with resource_name and resource_type, or api_key with "
            "endpoint_url, model_slug and model_id"
        )
    key = _member(content, "api_key", _PLAIN)
    place = _azure_deployment(content) if "endpoint_url" in content else _azure_resource(content)
    return CustomerKey(_api_key(key), place, mask(key))


def _azure_resource(content: Mapping[str, Any]) -> Place:
    host = _AZURE_HOSTS.get(str(content.get("resource_type", "openai")))
    if host is None:
        raise _wrong(f"must have one of {', '.join(_AZURE_HOSTS)} as its resource_type")
    resource = _member(content, "resource_name", _RESOURCE)
    return Place((("base_url", f"https://{resource.lower()}.{host}/openai/v1"),))


def _azure_deployment(content: Mapping[str, Any]) -> Place:
    """Only at Azure's own hosts: whatever stands there is called from within the deployment's network."""
    try:
        url = urlsplit(str(content["endpoint_url"]))
    except ValueError:
        raise _wrong("is JSON with an endpoint_url that is no address") from None
    resource, _, suffix = url.netloc.partition(".")
    path = _AZURE_PATH.fullmatch(url.path)
    if url.scheme != "https" or not _RESOURCE.fullmatch(resource) or suffix.lower() not in _AZURE_SUFFIXES:
        raise _wrong(f"must have an https address below {', '.join(_AZURE_SUFFIXES)} as its endpoint_url")
    if path is None or not _AZURE_QUERY.fullmatch(url.query):
        raise _wrong(
            "must have an endpoint_url that ends in /openai/v1 or /openai/deployments/<name>/chat/completions, with no "
            "other parameter than api-version: other addresses of Azure's are not supported"
        )
    query = f"?{url.query}" if url.query else ""
    return Place(
        (("base_url", f"https://{url.netloc.lower()}{path[1]}{query}"),),
        model=_member(content, "model_slug", _PLAIN),
        upstream_model=_member(content, "model_id", _PLAIN),
    )


_FORMS: Mapping[str, Callable[[Provider, str], CustomerKey]] = {"aws-role": _aws, "google-service-account": _google}
"""By what else than an API key opens the provider."""
_WIRES: Mapping[str, Callable[[Provider, str], CustomerKey]] = {"azure": _azure, "azure_responses": _azure}
"""By wire format, where every customer has an address of their own."""


def _api_key(text: str) -> Credential:
    if not _PLAIN.fullmatch(text):
        raise _wrong("must be the API key itself, without spaces or line breaks")
    return Credential("api-key", text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong("begins like JSON, but is none") from None


def _object(text: str) -> Mapping[str, Any]:
    content = _json(text)
    if not isinstance(content, dict):
        raise _wrong("must be a JSON object")
    return content


def _member(content: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _wrong(f"is JSON without {name}, or with one that cannot be right")
    return value


def _wrong(problem: str) -> InvalidRequest:
    return InvalidRequest(problem, field="key")
