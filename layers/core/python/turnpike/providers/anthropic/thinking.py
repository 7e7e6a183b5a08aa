"""How much to think, in each model's own terms.

https://platform.claude.com/docs/en/build-with-claude/extended-thinking,
https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking, and for what OpenRouter makes of its
`reasoning` there https://openrouter.ai/docs/cookbook/evaluate-and-optimize/model-migrations/claude-4-6.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.domain.errors import InvalidRequest
from turnpike.providers.anthropic.messages import THOUGHTS, Turn
from turnpike.providers.anthropic.traits import Traits
from turnpike.providers.reasoning import budget_of, effort_of

_LEAST_BUDGET = 1024
_MOST_OF_ANSWER = 0.8
"""How much of a limit a budget may take that would not fit under it."""

_ORDER = ("minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Thinking:
    """The members `thinking` and `output_config.effort`, None where they stay out, and the limit to go with them."""

    config: dict[str, Any] | None
    effort: str | None
    max_tokens: int

    @property
    def on(self) -> bool:
        return self.config is not None and self.config["type"] in ("enabled", "adaptive")


def build_thinking(
    parameters: Mapping[str, Any], traits: Traits, turns: Sequence[Turn], *, max_tokens: int, forced: bool
) -> Thinking:
    """`forced`: whether a call is demanded. Raises InvalidRequest where it is to be off and cannot be."""
    reasoning = parameters.get("reasoning") or {}
    # It wins over the effort of reasoning.
    effort = parameters.get("verbosity")
    off = effort_of(reasoning, None) == "none"
    config = None
    if off:
        config = _off(traits)
    elif _is_budgeted(reasoning, traits):
        # Thinking is the lesser wish where the two exclude each other: tool use is then "not compatible".
        if not forced and not _goes_on_without(turns):
            config, max_tokens = _budgeted(reasoning, max_tokens)
    elif traits.thinking != "none" and _is_asked(reasoning, traits):
        config = _adaptive(reasoning, traits)
        effort = effort or reasoning.get("effort")
    if traits.bound and not off and _is_replayed(turns):
        # Clients shorten conversations, and would not know what to make of the error that this prevents.
        config = config or {"type": "adaptive"}
        config["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    return Thinking(config, _effort(effort, traits, off=off), max_tokens)


def _off(traits: Traits) -> dict[str, Any] | None:
    if traits.off == "never":
        raise InvalidRequest("this model always reasons; ask for a low effort instead", field="reasoning.effort")
    return None if traits.thinking == "none" else {"type": traits.off}


def _is_budgeted(reasoning: Mapping[str, Any], traits: Traits) -> bool:
    asked = reasoning.get("max_tokens") is not None
    return (traits.thinking == "both" and asked) or (traits.thinking == "budget" and _is_asked(reasoning, traits))


def _is_asked(reasoning: Mapping[str, Any], traits: Traits) -> bool:
    """Asking to see what the model would think anyway counts too."""
    if any(reasoning.get(member) for member in ("effort", "max_tokens", "enabled")):
        return True
    return traits.unasked and reasoning.get("exclude") is False


def _budgeted(reasoning: Mapping[str, Any], max_tokens: int) -> tuple[dict[str, Any], int]:
    """The limit has to exceed the budget. It is raised where even the least budget leaves nothing to answer with."""
    budget = max(budget_of(reasoning, max_tokens) or 0, _LEAST_BUDGET)
    if budget >= max_tokens:
        budget = max(int(max_tokens * _MOST_OF_ANSWER), _LEAST_BUDGET)
    if budget >= max_tokens:
        max_tokens += budget
    return {"type": "enabled", "budget_tokens": budget}, max_tokens


def _adaptive(reasoning: Mapping[str, Any], traits: Traits) -> dict[str, Any]:
    if traits.shown or reasoning.get("exclude"):
        return {"type": "adaptive"}
    return {"type": "adaptive", "display": "summarized"}


def _effort(asked: str | None, traits: Traits, *, off: bool) -> str | None:
    """The nearest that the model has; above `high` thinking has to be on."""
    if asked is None or not traits.efforts:
        return None
    rank = min(_ORDER.index(asked), _ORDER.index("high")) if off else _ORDER.index(asked)
    # Of two as near, the greater: `xhigh` and `max` ask for the most there is.
    return min(reversed(traits.efforts), key=lambda each: abs(_ORDER.index(each) - rank))


def _goes_on_without(turns: Sequence[Turn]) -> bool:
    """Whether an answer is to be continued that did not begin with a thought, as a prefill, or as an answer with
    calls whose client keeps no reasoning: "a final `assistant` message must start with a thinking block".
    """
    begun: Turn | None = None
    for turn in reversed(turns):
        if turn["role"] == "assistant":
            begun = turn
        elif turn["content"][0]["type"] != "tool_result":
            break
    return begun is not None and begun["content"][0]["type"] not in THOUGHTS


def _is_replayed(turns: Sequence[Turn]) -> bool:
    return any(block["type"] in THOUGHTS for turn in turns if turn["role"] == "assistant" for block in turn["content"])
