"""`openrouter/auto`: which models suit a request, chosen by simple rules that anybody can follow.

1. The task is read off the request, in this order: `vision` where a message holds an image or a video, `tools` where
   there are tools, `long_context` from 60,000 tokens on, `code` and `reasoning` by words of the last user message (or
   because reasoning is asked for), else `chat`.
2. Models are ranked by what the catalog knows of them: whether they have what the task wants, how new they are (half as
   much for each half year), and how many providers serve them, which is the nearest that we have to a market's vote.
   Variants (`:free` and others) are left out, and free models too, unless there are no others.
3. The best 60 that the client allows and that can serve the request are sorted by price, and the cost tier takes its
   band of them: low [0, 20) percent, medium [20, 40), high [40, 60), xhigh [60, 80), max [80, 100]. Without a cost
   setting it is `low`. `cost_quality_tradeoff` (deprecated) is a ceiling instead: 10 keeps the cheapest 10 percent,
   0 the cheapest 90.
4. In the band the best ranked goes first and the next two follow as fallbacks. The model that answered a conversation
   before goes first while it is among the best five of the band; with `pin_model`, the last answer's model does
   wherever it stands among the 60.

The same request and catalog give the same models. The settings are those of the plugin `auto-router`:
https://openrouter.ai/docs/guides/routing/routers/auto-router
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from math import ceil, log2
from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

from turnpike.domain.catalog import Catalog, Model
from turnpike.domain.chat import AutoRouting, ChatRequest, CostTier, Message

Task = Literal["vision", "tools", "long_context", "code", "reasoning", "chat"]

MOST_MODELS = 3
_SHORTLIST = 60
_TOP = 5
_LONG_PROMPT_TOKENS = 60_000
_LONG_CONTEXT = 400_000
_HALF_LIFE_S = 183 * 86_400
_EXAMINED_CHARACTERS = 1_000
"""Of the last message, from either end: what is asked stands at the start or the end of a long one."""
_BANDS: Mapping[CostTier, tuple[float, float]] = {
    "low": (0.0, 0.2),
    "medium": (0.2, 0.4),
    "high": (0.4, 0.6),
    "xhigh": (0.6, 0.8),
    "max": (0.8, 1.0),
}
_WANTED: Mapping[Task, Mapping[str, float]] = {
    "tools": {"tools": 2.0, "reasoning": 0.5},
    "code": {"tools": 1.0, "reasoning": 1.0},
    "reasoning": {"reasoning": 2.0},
}
"""What the parameters that a model takes are worth to a task."""
_CODE = (
    r"```|\b(?:def|class|import|function|const|return|SELECT|Traceback|stack ?trace|compile[rs]?|debug\w*|refactor\w*"
    r"|regex|unit tests?|python|javascript|typescript|java|rust|golang|sql|html|css|bash|script|api|code|bug)\b"
)
_REASONING = (
    r"\\(?:frac|int|sum|sqrt|begin)\b|\b(?:prove|proof|theorem|lemma|integral|derivative|equation|solve|calculate"
    r"|probability|algebra|geometry|logic(?:al)?|puzzle|riddle|step[- ]by[- ]step|deduce|optimi[sz]e|how many)\b"
)
"""Neither is compiled before somebody asks for this router: a start of the function would pay for it."""
_CODE_WORDS = 2
"""One word of programming occurs in any conversation."""


class _Profile(NamedTuple):
    model: Model
    price: Decimal
    """Prompt and completion of its cheapest endpoint."""
    worth: float


class _Ranking(NamedTuple):
    """A catalog's models with what does not depend on the request; made once for each catalog."""

    profiles: list[_Profile]
    free: list[Model]
    by_task: dict[Task, list[_Profile]]


_rankings: WeakKeyDictionary[Catalog, _Ranking] = WeakKeyDictionary()


def classify(request: ChatRequest, inputs: Iterable[str], prompt_tokens: int) -> Task:
    """`inputs` are the kinds of content besides text that the messages hold."""
    if not {"image", "video"}.isdisjoint(inputs):
        return "vision"
    if "tools" in request.parameters:
        return "tools"
    if prompt_tokens >= _LONG_PROMPT_TOKENS:
        return "long_context"
    text = _last_user_text(request.messages)
    found = re.findall(_CODE, text, re.IGNORECASE)
    if len(found) >= _CODE_WORDS or "```" in found:
        return "code"
    effort = (request.parameters.get("reasoning") or {}).get("effort")
    if effort in ("medium", "high", "xhigh", "max") or re.search(_REASONING, text, re.IGNORECASE):
        return "reasoning"
    return "chat"


def choose_models(
    catalog: Catalog, request: ChatRequest, task: Task, *, serves: Callable[[Model], bool], answered: str | None
) -> list[Model]:
    """The best model and its fallbacks; empty where the client's restrictions leave none.

    `serves` says whether a model can serve the request, `answered` which one answered the conversation before.
    """
    settings = request.auto_router
    allowed = _patterns(settings.allowed_models)
    excluded = _patterns(settings.excluded_models)
    shortlist: list[_Profile] = []
    for profile in _ranked(catalog, task):
        slug = profile.model.id
        if (allowed is None or allowed(slug)) and not (excluded and excluded(slug)) and serves(profile.model):
            shortlist.append(profile)
            if len(shortlist) == _SHORTLIST:
                break
    chosen = [profile.model for profile in _in_band(shortlist, _band(settings))]
    chosen = _moved_up(answered, chosen[:_TOP], chosen)
    if settings.pin_model:
        chosen = _moved_up(_pinned(request), [profile.model for profile in shortlist], chosen)
    return chosen[:MOST_MODELS]


def _moved_up(slug: str | None, among: Iterable[Model], models: list[Model]) -> list[Model]:
    """`models` led by the one of that slug, if it is among those that may lead."""
    first = next((model for model in among if model.id == slug), None)
    return models if first is None else [first, *(model for model in models if model.id != slug)]


def free_models(catalog: Catalog) -> Sequence[Model]:
    """Those that somebody serves for nothing, in the catalog's order."""
    return _ranking(catalog).free


def _ranked(catalog: Catalog, task: Task) -> list[_Profile]:
    ranking = _ranking(catalog)
    if task not in ranking.by_task:
        wanted = _WANTED.get(task, {})

        def worth(profile: _Profile) -> float:
            taken = profile.model.supported_parameters
            long = 1.0 if task == "long_context" and profile.model.context_length >= _LONG_CONTEXT else 0.0
            return profile.worth + long + sum(value for name, value in wanted.items() if name in taken)

        # The slug decides between equals, so that the order does not hang on the catalog's.
        ranking.by_task[task] = sorted(ranking.profiles, key=lambda profile: (-worth(profile), profile.model.id))
    return ranking.by_task[task]


def _ranking(catalog: Catalog) -> _Ranking:
    ranking = _rankings.get(catalog)
    if ranking is None:
        models = list(catalog.models)
        free = [model for model in models if any(endpoint.pricing.is_free for endpoint in model.endpoints)]
        plain = [model for model in models if _is_plain(model)]
        paid = [model for model in plain if not all(endpoint.pricing.is_free for endpoint in model.endpoints)]
        newest = max((model.created for model in plain), default=0)
        ranking = _Ranking([_profile(model, newest) for model in paid or plain], free, {})
        _rankings[catalog] = ranking
    return ranking


def _is_plain(model: Model) -> bool:
    """Whether it writes text, can be called, and is no variant of another."""
    return bool(model.endpoints) and ":" not in model.id and "text" in (model.output_modalities or ("text",))


def _profile(model: Model, newest: int) -> _Profile:
    # What a service tier costs is only paid by those who ask for it.
    ordinary = [endpoint for endpoint in model.endpoints if endpoint.service_tier is None]
    price = min(endpoint.pricing.combined for endpoint in ordinary or model.endpoints)
    providers = len({endpoint.provider for endpoint in model.endpoints})
    newness = 2.0 ** (-(newest - model.created) / _HALF_LIFE_S)
    return _Profile(model, price, 2 * newness + min(log2(1 + providers), 4.0) / 2)


def _band(settings: AutoRouting) -> tuple[float, float]:
    if settings.cost_tier is not None:
        return _BANDS[settings.cost_tier]
    if settings.cost_quality_tradeoff is not None:
        return 0.0, 0.9 - 0.08 * settings.cost_quality_tradeoff
    return _BANDS["low"]


def _in_band(shortlist: Sequence[_Profile], band: tuple[float, float]) -> list[_Profile]:
    """In the shortlist's own order; never empty where the shortlist is not, however few they are."""
    count = len(shortlist)
    if not count:
        return []
    by_price = sorted(shortlist, key=lambda profile: (profile.price, profile.model.id))
    # Rounded, so that a fifth of sixty is twelve in floating point too.
    start = min(int(round(band[0] * count, 6)), count - 1)
    end = max(ceil(round(band[1] * count, 6)), start + 1)
    within = {profile.model.id for profile in by_price[start:end]}
    return [profile for profile in shortlist if profile.model.id in within]


def _pinned(request: ChatRequest) -> str | None:
    for message in reversed(request.messages):
        if message.get("role") == "assistant":
            model = message.get("model")
            return model if isinstance(model, str) else None
    return None


def _last_user_text(messages: Sequence[Message]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):
                content = "\n".join(part["text"] for part in content if part.get("type") == "text")
            text = content if isinstance(content, str) else ""
            if len(text) > 2 * _EXAMINED_CHARACTERS:
                text = f"{text[:_EXAMINED_CHARACTERS]}\n{text[-_EXAMINED_CHARACTERS:]}"
            return text
    return ""


def _patterns(patterns: Sequence[str]) -> Callable[[str], bool] | None:
    """Whether a slug matches any of them; None for no patterns at all."""
    if not patterns:
        return None
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
    # Nearly all patterns are `author/*`, and all of these are compared in one call.
    wild = [pattern for pattern in patterns if "*" in pattern]
    prefixes = tuple(pattern[:-1] for pattern in wild if pattern.index("*") == len(pattern) - 1)
    others = [pattern.split("*") for pattern in wild if pattern.index("*") < len(pattern) - 1]
    return lambda slug: slug in exact or slug.startswith(prefixes) or any(_matches(slug, parts) for parts in others)


def _matches(slug: str, parts: Sequence[str]) -> bool:
    """Whether it is made of these parts with anything between them; in linear time, whatever the pattern."""
    first, *middle, last = parts
    if len(slug) < len(first) + len(last) or not slug.startswith(first) or not slug.endswith(last):
        return False
    position, end = len(first), len(slug) - len(last)
    for part in middle:
        found = slug.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
