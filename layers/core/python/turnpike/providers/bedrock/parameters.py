"""A request's parameters as Converse and the model's family take them."""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Message
from turnpike.domain.errors import InvalidRequest
from turnpike.providers.bedrock.families import CLAUDE, PLAIN, Family
from turnpike.providers.bedrock.messages import Block
from turnpike.providers.bedrock.schemas import closed_schema, present_schema
from turnpike.providers.bedrock.tools import build_tools, forces_tool
from turnpike.providers.parameters import clamped, listed_parameters
from turnpike.providers.reasoning import budget_of, details_of, effort_of

_UNLISTED = frozenset({"cache_control", "parallel_tool_calls", "service_tier", "verbosity"})
"""Taken by every model, or by those whose family says so, though no catalog lists them."""
_MOST_STOPS = 4
_LEAST_BUDGET = 1024
_USUAL_LIMIT = 32_000
"""Tokens of an answer to which efforts are related where neither the request nor the catalog has a limit."""

# https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html
_TIERS = {"default": "default", "flex": "flex", "priority": "priority", "fast": "priority", "reserved": "reserved"}


def taken_parameters(request: ChatRequest, endpoint: Endpoint) -> dict[str, Any]:
    return listed_parameters(request, endpoint, unlisted=_UNLISTED)


def build_parameters(
    taken: Mapping[str, Any], request: ChatRequest, endpoint: Endpoint, family: Family
) -> tuple[Block, list[Block]]:
    """(members of the body, what the system has to say about the form of the answer)."""
    structured = family.structured and (
        not endpoint.supported_parameters or "structured_outputs" in endpoint.supported_parameters
    )
    tool_config, fields = build_tools(taken, request.messages, family, strict=structured)
    effort, thinking = _thinking(taken, request, endpoint, family)
    form, said = _form(taken.get("response_format"), structured=structured)
    sampled = _may_sample(family, thinking)
    fields = {**(_fields(taken, family) if sampled else {}), **fields, **thinking}
    output = {**({"textFormat": form} if form else {}), **({"effort": effort} if effort else {})}
    tier = _TIERS.get(str(taken.get("service_tier")))
    members = {
        "inferenceConfig": _inference(taken, request, family, sampled=sampled),
        "toolConfig": tool_config,
        "additionalModelRequestFields": fields,
        "outputConfig": output,
        "serviceTier": {"type": tier} if tier else None,
    }
    return {name: value for name, value in members.items() if value}, said


def _inference(taken: Mapping[str, Any], request: ChatRequest, family: Family, *, sampled: bool) -> Block:
    built: Block = {}
    if request.max_tokens is not None:
        built["maxTokens"] = request.max_tokens
    if sampled:
        sampling = {"temperature": taken.get("temperature"), "topP": taken.get("top_p")}
        if family.sampling == "one" and None not in sampling.values():
            # Of the two, the one that changes something.
            del sampling["temperature" if sampling["temperature"] == 1 else "topP"]
        built |= {name: clamped(value, 0, 1) for name, value in sampling.items() if value is not None}
    # Claude refuses stop sequences of white space alone.
    stops = [stop for stop in taken.get("stop") or () if stop.strip() or (stop and not family.is_claude)]
    if stops and family.stops:
        built["stopSequences"] = stops[:_MOST_STOPS]
    return built


def _may_sample(family: Family, thinking: Mapping[str, Any]) -> bool:
    """Claude refuses temperature and top_k while it thinks, and top_p but for values that hardly differ from none;
    Nova does so at its highest effort.

    https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking,
    https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
    """
    if family.sampling == "none":
        return False
    kind = thinking.get("thinking", {}).get("type")
    return kind not in ("enabled", "adaptive") and thinking.get("reasoningConfig") != _nova_reasoning("high")


def _fields(taken: Mapping[str, Any], family: Family) -> Block:
    """Parameters for which Converse has no member of its own."""
    built: Block = {}
    for ours, path in family.fields.items():
        # OpenRouter's top_k of 0 means that there is no limit.
        if taken.get(ours) is not None and not (ours == "top_k" and taken[ours] == 0):
            *parents, name = path.split(".")
            place = built
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = taken[ours]
    return built


def _nova_reasoning(effort: str | None) -> Block:
    return {"type": "enabled", "maxReasoningEffort": effort}


def _thinking(
    taken: Mapping[str, Any], request: ChatRequest, endpoint: Endpoint, family: Family
) -> tuple[str | None, Block]:
    """(outputConfig's effort, the model's own fields)."""
    given = taken.get("reasoning") or {}
    limit = request.max_tokens or endpoint.max_completion_tokens or _USUAL_LIMIT
    effort = effort_of(given, limit)
    asked = effort not in (None, "none")
    native = family.efforts.get(effort, effort) if effort else None
    if family.thinking == "effort":
        return None, {"reasoning_effort": native} if native else {}
    if family.thinking == "object":
        return None, {"reasoning": {"effort": native}} if native else {}
    if family.thinking == "nova":
        # At its highest effort Nova takes no limit, which the client may have set to be safe.
        capped = "medium" if native == "high" and request.max_tokens is not None else native
        return None, {"reasoningConfig": _nova_reasoning(capped)} if asked else {}
    if family.thinking == "none" or _precludes_thinking(taken, request.messages, family):
        asked = False
    if family.thinking == "adaptive":
        return _adaptive(taken, family, effort, asked=asked)
    return None, _budget(given, request, limit) if asked else {}


def _adaptive(taken: Mapping[str, Any], family: Family, effort: str | None, *, asked: bool) -> tuple[str | None, Block]:
    """As `_thinking`. `verbosity` wins over the effort of reasoning, as it does for Anthropic's API."""
    level = taken.get("verbosity") or (effort if asked else None)
    native = family.efforts.get(level, level) if level else None
    if asked:
        shown = not (taken.get("reasoning") or {}).get("exclude")
        display = {"display": "summarized"} if family.summarized and shown else {}
        return native, {"thinking": {"type": "adaptive", **display}}
    if effort == "none" and family.off == "never":
        raise InvalidRequest("this model always reasons; ask for a low effort instead", field="reasoning.effort")
    # Without thinking there is nothing above.
    native = "high" if native in ("xhigh", "max") else native
    return native, {"thinking": {"type": family.off}} if effort == "none" and family.off else {}


def _budget(given: Mapping[str, Any], request: ChatRequest, limit: int) -> Block:
    """Less than the whole answer, and nothing at all where that leaves less than the least budget."""
    budget = max(budget_of(given, limit) or 0, _LEAST_BUDGET)
    if request.max_tokens is not None:
        budget = min(budget, request.max_tokens - 1)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= _LEAST_BUDGET else {}


def _precludes_thinking(taken: Mapping[str, Any], messages: Sequence[Message], family: Family) -> bool:
    """Claude refuses to think where a tool is forced, where its answer is begun, and where it did not think
    before the calls that it goes on from: https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
    """
    if forces_tool(taken, family) or messages[-1]["role"] == "assistant":
        return True
    if family.thinking != "budget":
        return False
    last = next((index for index in reversed(range(len(messages))) if messages[index]["role"] == "assistant"), None)
    if last is None or all(message["role"] != "tool" for message in messages[last:]):
        return False
    answer = messages[last]
    details = details_of(answer, CLAUDE, PLAIN)
    return not any(detail.get("signature") or detail["type"] == "reasoning.encrypted" for detail in details)


def _form(given: Any, *, structured: bool) -> tuple[Block | None, list[Block]]:
    """(outputConfig's textFormat, or words for the system where the model cannot be held to a schema)."""
    kind = (given or {}).get("type")
    if kind == "json_schema":
        described = given["json_schema"]
        schema = described.get("schema") or {"type": "object"}
        if structured:
            return _text_format(described, schema), []
        told = f"Answer with nothing but JSON that conforms to this JSON schema:\n{present_schema(schema)}"
        return None, [{"text": told}]
    if kind == "json_object":
        return None, [{"text": "Answer with nothing but a JSON object."}]
    return None, []


def _text_format(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Block:
    told = {name: described[name] for name in ("name", "description") if described.get(name)}
    whole = {"schema": present_schema(closed_schema(schema)), **told}
    return {"type": "json_schema", "structure": {"jsonSchema": whole}}
