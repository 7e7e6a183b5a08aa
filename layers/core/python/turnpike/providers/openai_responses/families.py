"""What the families of OpenAI's models take and refuse: data, with its sources.

Efforts, defaults and sampling: https://developers.openai.com/api/docs/guides/reasoning, the guide to the latest
models (https://developers.openai.com/api/docs/guides/latest-model) and the page of each model.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from turnpike.domain.catalog import Endpoint

_RANKS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Family:
    efforts: tuple[str, ...] = ()
    """What it takes, ascending; nothing where it does not reason."""

    default: str = "medium"
    """What it does when it is not told; where that is "none", it samples unless it is told to reason."""

    summaries: bool = True
    """Whether it summarizes its reasoning."""

    phases: bool = False
    """Whether earlier answers should say whether they were commentary or final (from GPT-5.3 Codex on)."""

    all_turns: bool = False
    """Whether `reasoning.context` may be "all_turns"."""

    modes: bool = False
    """Whether it takes `reasoning.mode`."""

    encrypts: bool = False
    """Whether it hands out its reasoning encrypted though it takes no effort."""

    samples: bool = False
    """Whether it can be told how to sample while it reasons."""

    def nearest(self, effort: str) -> str:
        """The effort that it takes in place of this one. What cannot stop reasoning does the least of it."""
        if effort in self.efforts:
            return effort
        if effort == "none":
            return self.efforts[0]
        rank = _RANKS.index(effort)
        return min((each for each in self.efforts if each != "none"), key=lambda each: abs(_RANKS.index(each) - rank))


_LOW_TO_HIGH = ("low", "medium", "high")
_LOW_TO_XHIGH = (*_LOW_TO_HIGH, "xhigh")
_NONE_TO_XHIGH = ("none", *_LOW_TO_XHIGH)
_MEDIUM_TO_XHIGH = ("medium", "high", "xhigh")

_SILENT = Family()

_FAMILIES: tuple[tuple[str, Family], ...] = (
    # Astra cannot be told not to reason.
    ("gpt-[6-9]*-astra*", Family((*_LOW_TO_XHIGH, "max"), phases=True, all_turns=True, modes=True)),
    ("gpt-[6-9]*", Family((*_NONE_TO_XHIGH, "max"), phases=True, all_turns=True, modes=True)),
    ("gpt-5.[6-9]*", Family((*_NONE_TO_XHIGH, "max"), phases=True, all_turns=True, modes=True)),
    ("gpt-5.5-pro*", Family(_MEDIUM_TO_XHIGH, phases=True, all_turns=True)),
    ("gpt-5.5*", Family(_NONE_TO_XHIGH, phases=True, all_turns=True)),
    ("gpt-5.4-pro*", Family(_MEDIUM_TO_XHIGH, phases=True, all_turns=True)),
    ("gpt-5.4*", Family(_NONE_TO_XHIGH, default="none", phases=True, all_turns=True)),
    # The models behind ChatGPT reason at one effort, except the first, which does not reason.
    ("gpt-5.[1-3]-chat*", Family(("medium",))),
    ("gpt-5.3*", Family(_LOW_TO_XHIGH, phases=True)),
    ("gpt-5.2-pro*", Family(_MEDIUM_TO_XHIGH)),
    ("gpt-5.2-codex*", Family(_LOW_TO_XHIGH)),
    ("gpt-5.2*", Family(_NONE_TO_XHIGH, default="none")),
    ("gpt-5.1-codex-max*", Family(_LOW_TO_XHIGH)),
    ("gpt-5.1-codex*", Family(_LOW_TO_HIGH)),
    ("gpt-5.1*", Family(("none", *_LOW_TO_HIGH), default="none")),
    ("gpt-5-chat*", _SILENT),
    ("gpt-5-pro*", Family(("high",), default="high")),
    ("gpt-5-codex*", Family(_LOW_TO_HIGH)),
    ("gpt-5*", Family(("minimal", *_LOW_TO_HIGH))),
    ("*-deep-research*", Family(("medium",))),
    ("o1*", Family(_LOW_TO_HIGH, summaries=False)),
    ("o[34]*", Family(_LOW_TO_HIGH)),
    ("codex-*", Family(_LOW_TO_HIGH)),
    ("gpt-oss*", Family(_LOW_TO_HIGH)),
    # xAI's: https://docs.x.ai/developers/model-capabilities/text/reasoning. A summary comes by itself. Grok 4 answers
    # 400 to an effort, and so does what came of it up to 4.20.
    ("grok-*-non-reasoning*", _SILENT),
    ("grok-4.20-multi-agent*", Family(_LOW_TO_XHIGH, default="low", summaries=False, samples=True)),
    ("grok-4.[3-9]*", Family(_LOW_TO_HIGH, default="low", summaries=False, samples=True)),
    ("grok-[5-9]*", Family(_LOW_TO_HIGH, default="low", summaries=False, samples=True)),
    ("grok-4*", Family(encrypts=True, summaries=False)),
    ("grok-3-mini*", Family(("low", "high"), default="low", summaries=False, samples=True)),
    ("grok-*", _SILENT),
    ("gpt-4*", _SILENT),
    ("gpt-3.5*", _SILENT),
    ("chatgpt-4*", _SILENT),
)
"""The first pattern that matches decides."""

_UNKNOWN = Family(_RANKS, default="none")
"""A model of somebody else: it gets what it is asked for, and reasons only when it is asked to."""


_CUSTOM_TOOLS = "gpt-[5-9]*"
"""https://developers.openai.com/api/docs/guides/latest-model: they came with GPT-5."""


def takes_custom_tools(endpoint: Endpoint) -> bool:
    """Whether its tools may take a text instead of JSON."""
    return any(fnmatchcase(name, _CUSTOM_TOOLS) for name in _names_of(endpoint))


def _names_of(endpoint: Endpoint) -> tuple[str, str]:
    """Our own name of the model, since Azure's deployments may have any name, and the provider's."""
    return endpoint.model_id.rpartition("/")[2].partition(":")[0], endpoint.upstream_model


def family_of(endpoint: Endpoint) -> Family:
    for name in _names_of(endpoint):
        for pattern, family in _FAMILIES:
            if fnmatchcase(name, pattern):
                return family
    listed = endpoint.supported_parameters
    return _UNKNOWN if not listed or "reasoning" in listed else _SILENT
