"""What each Claude model takes, and what it answers 400 to: data, each row with its source."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from turnpike.domain.catalog import Endpoint

_TO_MAX = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Traits:
    """The defaults are those of the newest models, so that one which is not listed is asked as they are."""

    thinking: Literal["none", "budget", "both", "adaptive"] = "adaptive"
    """How thinking is asked for: with a budget of tokens, by leaving it to the model, or either way."""

    off: Literal["disabled", "between_tools", "never"] = "disabled"
    """The `thinking.type` that turns it off."""

    unasked: bool = True
    """Whether the model thinks when nothing is said about it."""

    shown: bool = False
    """Whether thoughts come with their text unless asked to; otherwise they come empty, with a signature."""

    bound: bool = False
    """Whether thoughts are refused when anything before them has changed since."""

    efforts: tuple[str, ...] = _TO_MAX
    """The values of `output_config.effort`, from the least."""

    sampling: Literal["both", "either", "none"] = "none"
    """Whether temperature and top_p are taken together, one at a time, or not at all."""

    forced_tools: bool = True
    """Whether a call may be demanded by `tool_choice`."""

    system_turns: bool = True
    """Whether instructions may stand between the messages."""

    structured: bool = True
    """Whether `output_config.format` and `strict` tools are known."""


NEWEST = Traits(forced_tools=False)

# Thinking, effort and sampling of every model: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking,
# https://platform.claude.com/docs/en/build-with-claude/effort, and the "What's new" page of each under
# https://platform.claude.com/docs/en/models. Forced calls: their "Forced tool use is not supported". Bound thoughts:
# https://platform.claude.com/docs/en/build-with-claude/preserved-thinking/prefix-checks. Instructions between messages:
# https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages.
_FABLE_5_1 = Traits(off="never", bound=True, forced_tools=False)
_FABLE_5 = Traits(off="never")
_OPUS_4_8 = Traits(unasked=False)
_OPUS_4_6 = Traits(
    thinking="both",
    unasked=False,
    shown=True,
    # `xhigh` came with Opus 4.7.
    efforts=("low", "medium", "high", "max"),
    sampling="either",
    system_turns=False,
)
# "`temperature` and `top_p` cannot both be specified for this model" begins with Opus 4.1:
# https://platform.claude.com/docs/en/about-claude/models/migration-guide
_SONNET_4_5 = replace(_OPUS_4_6, thinking="budget", efforts=())
# https://platform.claude.com/docs/en/build-with-claude/structured-outputs lists no model before Opus 4.1.
_CLAUDE_4 = replace(_SONNET_4_5, sampling="both", structured=False)

TRAITS: Mapping[str, Traits] = {
    "fable-5-1": _FABLE_5_1,
    "fable-5-2": _FABLE_5_1,
    "mythos-5-1": _FABLE_5_1,
    "mythos-5-2": _FABLE_5_1,
    "fable-5": _FABLE_5,
    "mythos-5": _FABLE_5,
    "mythos-preview": _FABLE_5,
    "opus-5-5": _FABLE_5_1,
    "sonnet-5-5": Traits(off="between_tools", bound=True, forced_tools=False),
    "haiku-5-5": Traits(bound=True),
    "opus-5": Traits(),
    "sonnet-5": Traits(system_turns=False),
    "opus-4-8": _OPUS_4_8,
    "opus-4-7": replace(_OPUS_4_8, system_turns=False),
    "opus-4-6": _OPUS_4_6,
    "sonnet-4-6": _OPUS_4_6,
    "opus-4-5": replace(_SONNET_4_5, efforts=("low", "medium", "high")),
    "sonnet-4-5": _SONNET_4_5,
    "haiku-4-5": _SONNET_4_5,
    "opus-4-1": _SONNET_4_5,
    "opus-4": _CLAUDE_4,
    "sonnet-4": _CLAUDE_4,
    "3-7-sonnet": _CLAUDE_4,
    "3-": replace(_CLAUDE_4, thinking="none"),
}
"""By what a model's name says after `claude-`; a release that is not listed is none of these."""

_NAME = re.compile(r"claude-(.+)")
_NO_RELEASE = re.compile(r"(?!\d|-[1-9]\d?(?!\d))")
"""What may follow a listed name: a date, a suffix, nothing; not the number of another release."""


def traits_of(endpoint: Endpoint) -> Traits:
    """From the provider's name of the model, or ours where that one says nothing, as an ARN may.

    Platforms put regions and vendors before the name (`us.anthropic.claude-…`), and we write its version with a dot.
    """
    for name in (endpoint.upstream_model, endpoint.model_id):
        match = _NAME.search(name.replace(".", "-"))
        if match:
            return next((traits for listed, traits in TRAITS.items() if _is(match[1], listed)), NEWEST)
    return NEWEST


def _is(name: str, listed: str) -> bool:
    rest = name.removeprefix(listed)
    return name.startswith(listed) and (listed.endswith("-") or _NO_RELEASE.match(rest) is not None)
