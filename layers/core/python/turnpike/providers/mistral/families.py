"""How the models that Mistral serves are asked to reason: data, since every family is asked differently."""

from collections.abc import Mapping
from dataclasses import dataclass

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""OpenRouter's."""


@dataclass(frozen=True, slots=True)
class Family:
    """`values` has one for each of our efforts."""

    parameter: str
    values: Mapping[str, str | None]


def _values(*values: str | None) -> Mapping[str, str | None]:
    return dict(zip(EFFORTS, values, strict=True))


_ON_OR_OFF = Family("reasoning_effort", _values("none", *["high"] * 6))
"""Everything else is a 400: "reasoning_effort low is not supported for this model, supported values: [high, none]".

https://docs.mistral.ai/studio/conversations/reasoning
"""

# Reasons always; what can be left out is the prompt that tells it how:
# https://docs.mistral.ai/capabilities/reasoning/native
_NATIVE = Family("prompt_mode", _values(None, *["reasoning"] * 6))

# Cannot be told not to reason: https://docs.mistral.ai/models/zai-glm-5-2
_GLM = Family("reasoning_effort", _values("low", "low", "low", "high", "high", "max", "max"))

_FAMILIES: Mapping[str, Family] = {
    # Mistral's first models that reason, by their dates; later ones of the name take an effort.
    "magistral-medium-25": _NATIVE,
    "magistral-small-25": _NATIVE,
    "zai-glm-": _GLM,
    "glm-": _GLM,
    # https://docs.mistral.ai/inference/conversations/reasoning
    "mistral-large-4": Family("reasoning_effort", _values("none", "low", "low", "medium", "high", "high", "high")),
}
"""By the beginning of the provider's own name of a model."""


def family_of(upstream_model: str) -> Family:
    for beginning, family in _FAMILIES.items():
        if upstream_model.startswith(beginning):
            return family
    return _ON_OR_OFF
