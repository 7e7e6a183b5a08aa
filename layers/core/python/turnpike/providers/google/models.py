"""What one needs to know about a model to ask it well, from its name: Google's API does not tell."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from turnpike.providers.google.quirks import Generation

_NAME = re.compile(r"gem(?:ini|ma)-(\d+)(?:\.(\d+))?(?:-|$)")

LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
"""XHIGH is declared, but no model is documented to take it."""

_NEWEST: Generation = (99, 0)


class Budget(NamedTuple):
    """How many tokens a model may think with; `optional` when it can also be told not to."""

    least: int
    most: int
    optional: bool


# https://ai.google.dev/gemini-api/docs/generate-content/thinking#set-budget
_BUDGETS = (
    ("gemini-2.5-pro", Budget(128, 32_768, optional=False)),
    ("gemini-2.5-flash-lite", Budget(512, 24_576, optional=True)),
    ("gemini-2.5-flash", Budget(1, 24_576, optional=True)),
    ("gemini-robotics-er-1.5", Budget(1, 24_576, optional=True)),
)
# https://ai.google.dev/gemini-api/docs/generate-content/thinking#thinking-levels: asking for another is a 400.
_FEWER_LEVELS = (
    ("gemini-3-pro-image", ()),
    ("gemini-3.1-flash-image", ("MINIMAL", "HIGH")),
    ("gemini-3-pro", ("LOW", "HIGH")),
    ("gemini-flash-latest", LEVELS[1:]),
    ("gemini-pro-latest", LEVELS[1:]),
)
_NO_MINIMAL_FLASH: Generation = (3, 7)


@dataclass(frozen=True, slots=True)
class Model:
    """A name that is not known counts as the newest generation, since names change more often than habits."""

    name: str
    generation: Generation
    budget: Budget | None
    levels: Sequence[str]
    """Of thinking; empty where it cannot be set."""
    thinks: bool
    gemma: bool

    @property
    def is_third(self) -> bool:
        """Gemini 3 and later demand signatures, and take media in results and a resolution for each image."""
        return not self.gemma and self.generation >= (3, 0)


def parse_model(upstream_model: str) -> Model:
    name = upstream_model.rpartition("/")[2].lower()
    match = _NAME.match(name)
    generation = (int(match[1]), int(match[2] or 0)) if match else _NEWEST
    gemma = name.startswith("gemma")
    # Models for speech, the second generation's for images, and Gemma before its fourth do not think.
    silent = "-tts" in name or (generation < (3, 0) and "-image" in name) or (gemma and generation < (4, 0))
    if name.startswith("gemini-robotics-er-1.5"):
        generation = (2, 5)
    budget = None if silent else next((budget for start, budget in _BUDGETS if name.startswith(start)), None)
    levels = () if silent or gemma or generation < (3, 0) else _levels(name, generation)
    return Model(name, generation, budget, levels, not silent and generation >= (2, 5), gemma)


def nearest_level(levels: Sequence[str], wanted: str) -> str:
    """The model's own level for one that it may not have; of two that are as near, the higher."""
    place = LEVELS.index(wanted)
    return min(levels, key=lambda level: (abs(LEVELS.index(level) - place), -LEVELS.index(level)))


def _levels(name: str, generation: Generation) -> Sequence[str]:
    fewer = next((levels for start, levels in _FEWER_LEVELS if name.startswith(start)), None)
    if fewer is not None:
        return fewer
    if "-pro" in name or ("-flash" in name and "-lite" not in name and generation >= _NO_MINIMAL_FLASH):
        return LEVELS[1:]
    return LEVELS
