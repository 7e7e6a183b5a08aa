"""An operator's catalog with a model on every wire format, all of them served by the simulator."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from anthropic import Anthropic
from openai import OpenAI
from openrouter import OpenRouter

from tests.e2e.asking import http_client
from tests.e2e.deployment import Deployment
from tests.plugin_server import PluginServer, serving_plugins
from tests.simulator.server import KEY, Simulator, simulating

ACCOUNT = "acct-simulated"
SPARE = "Spare"
"""The provider that serves every model a second time."""

PROMPT_NANO_USD, CACHED_NANO_USD, COMPLETION_NANO_USD = 2_000, 200, 10_000
LONGEST_SILENCE_S = 1.0
"""Of an impatient model's first endpoint."""


@dataclass(frozen=True, slots=True)
class WireUnderTest:
    """`path` is what a base URL has after the mount; the model is one that needs all of the wire's rules."""

    mount: str
    """Of the simulator: its name for the API, with which its answers begin."""
    path: str
    model: str
    carries: str = ""
    """In the second turn's request: the member that takes the first turn's reasoning back."""

    counts_reasoning: bool = True
    has_ids: bool = True
    """Whether the provider names its answers in their bodies."""


WIRES: Mapping[str, WireUnderTest] = {
    "openai_compatible": WireUnderTest("openai_compatible", "/v1", "gpt-oss-120b"),
    "openai_responses": WireUnderTest("openai_responses", "/v1", "gpt-5.4", "encrypted_content"),
    "anthropic": WireUnderTest("anthropic", "/v1", "claude-sonnet-4-5", "signature"),
    "google": WireUnderTest("google", "/v1beta", "gemini-3-pro-preview", "thoughtSignature"),
    "bedrock": WireUnderTest(
        "bedrock",
        "",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "reasoningContent",
        counts_reasoning=False,
        has_ids=False,
    ),
    "bedrock_anthropic": WireUnderTest("bedrock", "", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "signature"),
    "vertex_anthropic": WireUnderTest(
        "vertex_anthropic", "/v1/projects/sim/locations/global", "claude-sonnet-4-5@20250929", "signature"
    ),
    "azure": WireUnderTest("azure", "/openai/v1", "gpt-5-mini"),
    "azure_responses": WireUnderTest("azure", "/openai/v1", "gpt-5-mini", "encrypted_content"),
    "cohere": WireUnderTest("cohere", "/v2", "command-a-reasoning-08-2025", "thinking", counts_reasoning=False),
    "mistral": WireUnderTest("mistral", "/v1", "mistral-medium-latest", "thinking"),
}
"""By the wire format's name in a catalog."""

EMBEDDING: Mapping[str, tuple[str, str]] = {
    "openai_compatible": ("openai_compatible", "text-embedding-3-small"),
    "azure": ("azure", "text-embedding-3-small"),
    "mistral": ("mistral", "codestral-embed"),
    "cohere": ("cohere", "embed-v4.0"),
    "google": ("google", "gemini-embedding-2"),
    "titan": ("bedrock", "amazon.titan-embed-text-v2:0"),
    "bedrock-cohere": ("bedrock", "us.cohere.embed-v4:0"),
}
"""Wire format and upstream model of `sim/embed-<name>`."""

KNOWN: Mapping[str, tuple[str, str]] = {
    "gpt-6.2-sol": ("openai_responses", "gpt-6.2-sol"),
    "gpt-5.5": ("anthropic", "claude-sonnet-4-5"),
}
"""The same of `sim/<name>`, by which Codex knows what tools to bring; the second is served by another provider."""

RANKING: Mapping[str, tuple[str, str]] = {
    "cohere": ("cohere", "rerank-v3.5"),
    "bedrock": ("bedrock", "cohere.rerank-v3-5:0"),
}
"""The same of `sim/rerank-<name>`."""
UNIT_NANO_USD = 2_000_000

DRAWING: Mapping[str, tuple[str, str]] = {
    "openai": ("openai", "gpt-image-2"),
    "xai": ("xai", "grok-imagine-image"),
    "google": ("sim-google", "gemini-3.1-flash-image"),
    "openrouter": ("openrouter", "google/gemini-3.1-flash-image"),
}
"""Provider and upstream model of `sim/draw-<name>`: dialects go by the provider's own name."""
DRAWN_NANO_USD, REFERENCE_NANO_USD, IMAGE_NANO_USD = 30_000, 3_000, 20_000_000
"""Of a token of an image, drawn or to go by, and of an image at xAI."""

_PROVIDER = """
[providers.{slug}]
name = "{name}"
wire = "{wire}"
base_url = "http://127.0.0.1/" # The environment has the port.
"""
_MODEL = """
[[models]]
id = "{model_id}"
name = "{model_id}"
description = "Served by the simulator."
created = 1767225600
context_length = 200000
input_modalities = ["text", "image"]
output_modalities = ["text"]
supported_parameters = [
    "max_tokens", "parallel_tool_calls", "reasoning", "include_reasoning", "response_format", "structured_outputs",
    "temperature", "tool_choice", "tools",{added}
]
"""
_ENDPOINT = """
  [[models.endpoints]]
  provider = "{provider}"
  upstream_model = "{upstream_model}"
  max_completion_tokens = 64000
  pricing = {{ prompt = "0.000002", completion = "0.00001", input_cache_read = "0.0000002" }}
  timeouts = {{ first_token_s = {silence_s}, gap_s = {silence_s} }}
"""

SEARCH_NANO_USD = 10_000_000
"""Of a search that a provider makes by itself."""
SEARCHING: Mapping[str, tuple[str, str]] = {
    "anthropic": ("sim-anthropic", "claude-sonnet-4-5"),
    "vertex": ("sim-vertex-anthropic", "claude-sonnet-4-5@20250929"),
    "responses": ("sim-openai-responses", "gpt-5.4"),
    "chat": ("sim-openai", "gpt-5-mini"),
    "google": ("sim-google", "gemini-3.5-flash"),
    "old-google": ("sim-google", "gemini-2.5-flash"),
}
"""Provider and upstream model of `sim/searching-<name>`; `chat` speaks chat completions, and Responses for its own
tools."""
_SEARCHING = """
[[models]]
id = "sim/searching-{name}"
name = "sim/searching-{name}"
description = "Served by the simulator."
created = 1767225600
context_length = 200000
input_modalities = ["text"]
output_modalities = ["text"]
supported_parameters = ["max_tokens", "reasoning", "tool_choice", "tools", "web_search_options"]

  [[models.endpoints]]
  provider = "{provider}"
  upstream_model = "{upstream_model}"
  max_completion_tokens = 64000
  pricing = {{ prompt = "0.000002", completion = "0.00001", input_cache_read = "0.0000002", web_search = "0.01" }}
"""

_SOUND = """
[[models]]
id = "sim/speech"
name = "sim/speech"
description = "Served by the simulator."
created = 1767225600
context_length = 4096
input_modalities = ["text"]
output_modalities = ["speech"]
supported_parameters = ["instructions", "speed"]

  [[models.endpoints]]
  provider = "sim-openai-compatible"
  upstream_model = "voice"
  pricing = { prompt = "0", completion = "0", character = "0.00001" }

  [[models.endpoints]]
  provider = "sim-google"
  upstream_model = "gemini-tts"
  pricing = { prompt = "0.000001", completion = "0.00001" }

[[models]]
id = "sim/transcription"
name = "sim/transcription"
description = "Served by the simulator."
created = 1767225600
context_length = 4096
input_modalities = ["audio"]
output_modalities = ["transcription"]
supported_parameters = ["language", "prompt", "temperature", "timestamp_granularities"]

  [[models.endpoints]]
  provider = "sim-openai-compatible"
  upstream_model = "ear"
  supported_parameters = ["language", "prompt", "temperature"]
  pricing = { prompt = "0.000002", completion = "0.00001", audio = "0.000004" }

  [[models.endpoints]]
  provider = "sim-spare"
  upstream_model = "whisper"
  pricing = { prompt = "0", completion = "0", second = "0.0001" }
"""

_OPERATION = """
[[models]]
id = "{model_id}"
name = "{model_id}"
description = "Served by the simulator."
created = 1767225600
context_length = 8192
input_modalities = ["text", "image"]
output_modalities = ["{output}"]
supported_parameters = ["dimensions"]

  [[models.endpoints]]
  provider = "{provider}"
  upstream_model = "{upstream_model}"
  pricing = {pricing}
"""

FOUR_WIRES = ("openai_compatible", "anthropic", "google", "bedrock")
"""As unlike each other as can be, for tests of what clients do by themselves."""


_DRAWING = """
[[models]]
id = "{model_id}"
name = "{model_id}"
description = "Served by the simulator."
created = 1767225600
context_length = 32768
input_modalities = ["text", "image"]
output_modalities = ["text", "image"]
supported_parameters = ["max_tokens"]

  [[models.endpoints]]
  provider = "{provider}"
  upstream_model = "{upstream_model}"
  pricing = {pricing}
"""


def slug_of(wire: str) -> str:
    return f"sim-{wire.replace('_', '-')}"


def name_of(wire: str) -> str:
    """As clients see it in an answer."""
    return f"Simulated {wire}"


def catalog() -> str:
    """Of each wire `sim/<wire>`; the same with a spare endpoint as `sim/<wire>-spared` and `-impatient`."""
    parts = [_PROVIDER.format(slug=slug_of(wire), name=name_of(wire), wire=wire) for wire in WIRES]
    parts.append(_PROVIDER.format(slug="sim-spare", name=SPARE, wire="openai_compatible"))
    for wire, tested in WIRES.items():
        added = ' "suffix",' if wire == "mistral" else ""
        for suffix, silence_s in (("", 30), ("-spared", 30), ("-impatient", LONGEST_SILENCE_S)):
            parts.append(_MODEL.format(model_id=f"sim/{wire}{suffix}", added=added))
            endpoint = {"provider": slug_of(wire), "upstream_model": tested.model, "silence_s": silence_s}
            parts.append(_ENDPOINT.format(**endpoint))
            if suffix:
                parts.append(_ENDPOINT.format(provider="sim-spare", upstream_model="spare", silence_s=30))
    for name, (wire, model) in KNOWN.items():
        parts.append(_MODEL.format(model_id=f"sim/{name}", added=""))
        parts.append(_ENDPOINT.format(provider=slug_of(wire), upstream_model=model, silence_s=30))
    parts += [
        _OPERATION.format(
            model_id=f"sim/{kind}-{name}",
            output=output,
            provider=slug_of(wire),
            upstream_model=model,
            pricing=pricing,
        )
        for kind, output, models, pricing in (
            ("embed", "embeddings", EMBEDDING, '{ prompt = "0.000002", completion = "0" }'),
            ("rerank", "rerank", RANKING, '{ prompt = "0", completion = "0", request = "0.002" }'),
        )
        for name, (wire, model) in models.items()
    ]
    parts += [
        _DRAWING.format(
            model_id=f"sim/draw-{name}",
            provider=provider,
            upstream_model=model,
            pricing='{ prompt = "0", completion = "0", output_image = "0.02" }'
            if provider == "xai"
            else '{ prompt = "0.000002", completion = "0.00001", image_output = "0.00003", image_token = "0.000003" }',
        )
        for name, (provider, model) in DRAWING.items()
    ]
    parts.append(_PROVIDER.format(slug="sim-openai", name="Simulated OpenAI", wire="openai_compatible"))
    parts.append('tool_wire = "openai_responses"\n')
    parts += [
        _SEARCHING.format(name=name, provider=provider, upstream_model=upstream)
        for name, (provider, upstream) in SEARCHING.items()
    ]
    return "".join([*parts, _SOUND])


def variables(address: str) -> dict[str, str]:
    """Keys and addresses of all the providers."""
    paths = {slug_of(wire): f"/{tested.mount}{tested.path}" for wire, tested in WIRES.items()}
    paths |= dict.fromkeys(("sim-spare", "openai", "xai", "openrouter"), "/openai_compatible/v1")
    paths["sim-openai"] = "/v1"  # Of both of its APIs.
    found: dict[str, str] = {}
    for slug, path in paths.items():
        prefix = slug.upper().replace("-", "_")
        found |= {f"{prefix}_API_KEY": KEY, f"{prefix}_BASE_URL": f"{address}{path}"}
    return found


def price(usage: Any) -> int:
    """What a model of the simulator costs, in nano-USD, by the usage in a response of the OpenAI SDK."""
    cached = usage.prompt_tokens_details.cached_tokens
    prompt = (usage.prompt_tokens - cached) * PROMPT_NANO_USD + cached * CACHED_NANO_USD
    return int(prompt + usage.completion_tokens * COMPLETION_NANO_USD)


@dataclass(frozen=True, slots=True)
class Simulated:
    """A deployment whose providers are simulated, and its clients. The SDKs do not try again by themselves."""

    openai: OpenAI
    anthropic: Anthropic
    openrouter: OpenRouter
    http: httpx2.Client
    simulator: Simulator
    plugins: PluginServer
    """Search engines and moderation, on loopback too."""
    newcomer: Callable[[], AbstractContextManager[httpx2.Client]]
    """A client of an account of its own, which nobody else is charged to."""

    def plan(self, wire: str, fault: Mapping[str, Any], *, count: int = 1, model: str = "") -> None:
        """Let the next requests to the wire's own endpoint fail, or to that of another upstream model."""
        self.simulator.plans.add({"fault": fault, "count": count, "model": model or WIRES[wire].model})

    def forget(self) -> None:
        self.simulator.plans.planned.clear()
        self.simulator.requests.clear()
        self.plugins.forget()

    def requests(self) -> list[dict[str, Any]]:
        """What the providers were sent, in order."""
        return list(self.simulator.requests)


@contextmanager
def simulated(parts: Deployment, folder: Path) -> Iterator[Simulated]:
    overrides = folder / "catalog.toml"
    overrides.write_text(catalog())
    api_key = parts.call("seed", ACCOUNT, "1000")["api_key"]
    settings = {
        "TURNPIKE_CATALOG_OVERRIDES": str(overrides),
        # A test must find its endpoint ready, whatever an earlier one let it say.
        "TURNPIKE_LONGEST_WAIT_S": "0",
        # So that no test has to wait half a minute for what it changed.
        "TURNPIKE_PRINCIPAL_TTL_S": "0.5",
    }
    with (
        simulating() as (simulator, address),
        serving_plugins() as plugins,
        parts.serving(
            "serve_api", **variables(address), **plugins.environ("exa", "tavily", "moderation"), **settings
        ) as (_, url),
        OpenAI(base_url=f"{url}/api/v1", api_key=api_key, max_retries=0, timeout=20) as openai,
        Anthropic(base_url=f"{url}/api", api_key=api_key, max_retries=0, timeout=20) as anthropic,
        OpenRouter(server_url=f"{url}/api/v1", api_key=api_key, timeout_ms=20_000) as openrouter,
        http_client(f"{url}/api/v1", api_key) as http,
    ):

        def newcomer() -> AbstractContextManager[httpx2.Client]:
            seeded = parts.call("seed", f"acct-{secrets.token_hex(4)}", "10")
            return http_client(f"{url}/api/v1", seeded["api_key"])

        yield Simulated(openai, anthropic, openrouter, http, simulator, plugins, newcomer)
