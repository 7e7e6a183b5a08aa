"""Where a deployment answers, whichever of Azure's addresses the catalog has.

    https://{resource}.openai.azure.com/openai/v1           the v1 API, which needs no version
    https://{resource}.services.ai.azure.com/openai/v1      the same
    https://{resource}.cognitiveservices.azure.com          the resource alone: deployments by name, with a version
    https://{resource}.openai.azure.com/openai/deployments/{deployment}?api-version={version}

https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle and, for the dated versions,
https://learn.microsoft.com/azure/foundry/openai/reference
"""

from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from turnpike.domain.catalog import Endpoint

_LATEST_VERSION = "2024-10-21"
"""Of those with a date the last that is generally available; what came later is the v1 API's."""


def chat_url(endpoint: Endpoint) -> str:
    return _url_of(endpoint, "chat/completions")


def embeddings_url(endpoint: Endpoint) -> str:
    return _url_of(endpoint, "embeddings")


def _url_of(endpoint: Endpoint, api: str) -> str:
    base = urlsplit(endpoint.base_url)
    path = base.path.rstrip("/")
    if path.endswith("/v1"):
        return _at(base, f"{path}/{api}", base.query)
    resource, _, rest = path.partition("/openai")
    # The portal shows the whole address of a deployment, which names it.
    named = rest.removeprefix("/deployments").strip("/").partition("/")[0]
    deployment = named or quote(endpoint.upstream_model, safe="")
    query = base.query or f"api-version={_LATEST_VERSION}"
    return _at(base, f"{resource}/openai/deployments/{deployment}/{api}", query)


def responses_url(endpoint: Endpoint) -> str:
    return v1_url(endpoint, "responses")


def v1_url(endpoint: Endpoint, api: str) -> str:
    """The v1 API's, which every resource has, for what no dated version has that is generally available."""
    base = urlsplit(endpoint.base_url)
    path = base.path.rstrip("/")
    if path.endswith("/v1"):
        return _at(base, f"{path}/{api}", base.query)
    resource, _, _ = path.partition("/openai")
    return _at(base, f"{resource}/openai/v1/{api}", "")


def _at(base: SplitResult, path: str, query: str) -> str:
    return urlunsplit((base.scheme, base.netloc, path, query, ""))
