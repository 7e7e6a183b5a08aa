"""Which canonical model a provider's id means, rule by rule; and what is never guessed."""

import pytest

from turnpike.services.compile_catalog.joining import Joined, Joiner, Unmatched, preference, spelling
from turnpike.services.compile_catalog.settings import Names, ProviderSource

NAMES = Names(
    authors={
        "meta": "meta-llama",
        "metallama": "meta-llama",
        "mistral": "mistralai",
        "deepseekai": "deepseek",
        "zaiorg": "z-ai",
        "zai": "z-ai",
        "qwen": "qwen",
        "xai": "x-ai",
        "minimaxai": "minimax",
        "unsloth": "",
    },
    same={
        "meta-llama/llama-4-maverick-17b-128e-instruct": "meta-llama/llama-4-maverick",
        "qwen/qwen3-coder-480b-a35b-instruct": "qwen/qwen3-coder",
        "qwen/gone": "qwen/no-longer-there",
    },
)
SLUGS = [
    "amazon/nova-lite-v1",
    "anthropic/claude-haiku-4.5",
    "anthropic/claude-opus-4",
    "anthropic/claude-opus-4.5",
    "cohere/command-a",
    "cohere/command-r-08-2024",
    "deepseek/deepseek-r1",
    "deepseek/deepseek-v3.2",
    "google/gemini-2.0-flash-001",
    "google/gemini-2.5-flash",
    "google/gemini-3-flash-preview",
    "google/gemma-3-12b-it",
    "meta-llama/llama-3.1-8b-instruct",
    "meta-llama/llama-3.3-70b-instruct",
    "meta-llama/llama-3.3-70b-instruct:free",
    "meta-llama/llama-4-maverick",
    "minimax/minimax-m2.5",
    "mistralai/mistral-large",
    "mistralai/mistral-large-2512",
    "moonshotai/kimi-k2-0905",
    "moonshotai/kimi-k2.5",
    "openai/gpt-4.1",
    "openai/gpt-4o",
    "openai/gpt-4o-2024-05-13",
    "openai/gpt-5-chat",
    "openai/gpt-oss-120b",
    "qwen/qwen-2.5-7b-instruct",
    "qwen/qwen3-8b",
    "qwen/qwen3-coder",
    "qwen/qwen3-next-80b-a3b-instruct",
    "qwen/qwen3-next-80b-a3b-thinking",
    "z-ai/glm-4.7",
    "z-ai/glm-5-turbo",
]
JOINER = Joiner(SLUGS, NAMES)


def source(ids: str = "plain", author: str | None = None, **rest: object) -> ProviderSource:
    return ProviderSource(slug="p", wire="w", models_dev=("p",), ids=ids, author=author, **rest)  # type: ignore[arg-type]


def join(id_: str, ids: str = "plain", author: str | None = None, **rest: object) -> Joined:
    joined = JOINER.join(id_, source(ids, author, **rest))
    assert isinstance(joined, Joined), joined
    return joined


def reason(id_: str, ids: str = "plain", author: str | None = None, **rest: object) -> str:
    joined = JOINER.join(id_, source(ids, author, **rest))
    assert isinstance(joined, Unmatched), joined
    return joined.reason


@pytest.mark.parametrize(
    ("id_", "ids", "author", "slug"),
    [
        # The same name, whatever its case, separators and organisation.
        ("gpt-4.1", "plain", "openai", "openai/gpt-4.1"),
        ("claude-haiku-4-5", "plain", "anthropic", "anthropic/claude-haiku-4.5"),
        ("zai-org/GLM-4.7", "path", None, "z-ai/glm-4.7"),
        ("deepseek-ai/DeepSeek-V3.2", "path", None, "deepseek/deepseek-v3.2"),
        ("MiniMaxAI/MiniMax-M2.5", "path", None, "minimax/minimax-m2.5"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "path", None, "meta-llama/llama-3.1-8b-instruct"),
        ("qwen/qwen2.5-7b-instruct", "path", None, "qwen/qwen-2.5-7b-instruct"),
        ("zai-glm-4.7", "plain", None, "z-ai/glm-4.7"),
        ("cohere-command-r-08-2024", "plain", None, "cohere/command-r-08-2024"),
        ("kimi-k2.5", "plain", None, "moonshotai/kimi-k2.5"),
        ("unsloth/gemma-3-12b-it", "path", None, "google/gemma-3-12b-it"),
        # Names of the same weights.
        ("meta/llama-4-maverick-17b-128e-instruct", "path", None, "meta-llama/llama-4-maverick"),
        ("qwen3-coder-480b-a35b-instruct", "plain", None, "qwen/qwen3-coder"),
        # Fireworks.
        ("accounts/fireworks/models/glm-4p7", "fireworks", None, "z-ai/glm-4.7"),
        ("accounts/fireworks/models/kimi-k2p5", "fireworks", None, "moonshotai/kimi-k2.5"),
        ("accounts/fireworks/models/deepseek-v3p2", "fireworks", None, "deepseek/deepseek-v3.2"),
        # Bedrock.
        ("amazon.nova-lite-v1:0", "bedrock", None, "amazon/nova-lite-v1"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock", None, "anthropic/claude-haiku-4.5"),
        ("openai.gpt-oss-120b-1:0", "bedrock", None, "openai/gpt-oss-120b"),
        ("deepseek.r1-v1:0", "bedrock", None, "deepseek/deepseek-r1"),
        ("meta.llama3-3-70b-instruct-v1:0", "bedrock", None, "meta-llama/llama-3.3-70b-instruct"),
        # Vertex.
        ("claude-opus-4-5@20251101", "vertex", "google", "anthropic/claude-opus-4.5"),
        ("claude-opus-4-5@default", "vertex", "google", "anthropic/claude-opus-4.5"),
        ("gemini-2.5-flash", "vertex", "google", "google/gemini-2.5-flash"),
        ("deepseek-ai/deepseek-v3.2-maas", "vertex", "google", "deepseek/deepseek-v3.2"),
        # Dates, -latest, -preview, -001, -instruct and -it.
        ("claude-opus-4-20250514", "plain", "anthropic", "anthropic/claude-opus-4"),
        ("gpt-4.1-2025-04-14", "plain", "openai", "openai/gpt-4.1"),
        ("command-a-03-2025", "plain", "cohere", "cohere/command-a"),
        ("gpt-5-chat-latest", "plain", "openai", "openai/gpt-5-chat"),
        ("kimi-k2-0905-preview", "plain", "moonshotai", "moonshotai/kimi-k2-0905"),
        ("gemini-3-flash", "plain", "google", "google/gemini-3-flash-preview"),
        ("gemini-2.0-flash", "plain", "google", "google/gemini-2.0-flash-001"),
        ("llama3.1-8b", "plain", None, "meta-llama/llama-3.1-8b-instruct"),
        ("google.gemma-3-12b", "bedrock", None, "google/gemma-3-12b-it"),
    ],
)
def test_joins(id_: str, ids: str, author: str | None, slug: str) -> None:
    assert join(id_, ids, author).slug == slug


@pytest.mark.parametrize(
    ("id_", "ids", "author", "expected"),
    [
        ("gpt-41", "plain", "openai", "no canonical model has this name"),
        ("gpt-4.1", "plain", "anthropic", "no canonical model has this name"),
        ("qwen/gone", "path", None, "no canonical model has this name"),
        # Free endpoints are OpenRouter's own.
        ("llama-3.3-70b-instruct:free", "plain", None, "no canonical model has this name"),
        # Another date than those that are known, or none at all: which one?
        (
            "mistral-large-latest",
            "plain",
            "mistralai",
            "could be any of mistralai/mistral-large, mistralai/mistral-large-2512",
        ),
        ("gpt-4o-2024-12-01", "plain", "openai", "could be any of openai/gpt-4o, openai/gpt-4o-2024-05-13"),
        (
            "qwen.qwen3-next-80b-a3b",
            "bedrock",
            None,
            "could be any of qwen/qwen3-next-80b-a3b-instruct, qwen/qwen3-next-80b-a3b-thinking",
        ),
        # A preview of some day is not what came of it.
        ("gemini-2.5-flash-preview-09-2025", "plain", "google", "no canonical model has this name"),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock", None, "it can be called from eu alone"),
        ("accounts/fireworks/routers/kimi-k2p5-turbo", "fireworks", None, "it is a router of the provider's own"),
        ("glm-4p7", "fireworks", None, "its id has another form"),
    ],
)
def test_never_guesses(id_: str, ids: str, author: str | None, expected: str) -> None:
    assert reason(id_, ids, author) == expected


def test_a_name_with_two_owners_is_nobodys() -> None:
    joined = Joiner(["a/model-1", "b/model-1"], NAMES).join("model-1", source())
    assert joined == Unmatched("could be any of a/model-1, b/model-1")


class TestEndpointsOfTheirOwn:
    def test_a_quantization_sets_one_apart(self) -> None:
        joined = join("qwen/qwen3-8b-fp8", "path")
        assert (joined.slug, joined.quantization, joined.variant) == ("qwen/qwen3-8b", "fp8", None)

    def test_a_variant_of_a_known_quantization(self) -> None:
        joined = join("meta-llama/Llama-3.3-70B-Instruct-Turbo", "path", variants=(("-turbo", "fp8"),))
        assert (joined.quantization, joined.variant) == ("fp8", None)

    def test_a_variant_of_an_unknown_quantization(self) -> None:
        joined = join("moonshotai/Kimi-K2.5-fast", "path", variants=(("-fast", "unknown"),))
        assert (joined.slug, joined.quantization, joined.variant) == ("moonshotai/kimi-k2.5", "unknown", "fast")

    def test_a_suffix_that_belongs_to_the_name_stays(self) -> None:
        joined = join("glm-5-turbo", "plain", "z-ai", variants=(("-turbo", "fp8"),))
        assert (joined.slug, joined.quantization) == ("z-ai/glm-5-turbo", "unknown")

    def test_a_suffix_that_the_provider_does_not_use_is_not_taken_off(self) -> None:
        assert reason("moonshotai/Kimi-K2.5-fast", "path") == "no canonical model has this name"


class TestTheProvidersOwnTable:
    def test_comes_before_every_rule(self) -> None:
        assert join("gpt-4.1", author="openai", names={"gpt-4.1": "openai/gpt-4o"}).slug == "openai/gpt-4o"

    def test_keeps_moving_names_out(self) -> None:
        assert reason("gpt-4.1", names={"gpt-4.1": ""}) == "its name moves from model to model"

    def test_tells_of_models_that_are_gone(self) -> None:
        assert "no canonical model" in reason("x", names={"x": "openai/gone"})


def test_prefers_wide_profiles_sure_names_new_releases_and_short_ids() -> None:
    ids = {
        "anthropic.claude-opus-4-5-v1": Joined("s", 2),
        "us.anthropic.claude-opus-4-5-v1": Joined("s", 2, region="us"),
        "global.anthropic.claude-opus-4-5-20251101-v1:0": Joined("s", 5, region="global"),
    }
    assert min(ids, key=lambda id_: preference(id_, ids[id_], None)).startswith("global.")
    assert preference("a-20250514", Joined("s", 5), "2025-05-14") > preference("a", Joined("s", 2), "2025-05-14")
    assert preference("a", Joined("s", 5), "2025-05-14") > preference("b", Joined("s", 5), "2025-11-24")


def test_spelling_keeps_numbers_apart() -> None:
    assert spelling("Claude_Haiku-4.5") == spelling("claude-haiku4-5")
    assert spelling("gpt-4.1") != spelling("gpt-41")
