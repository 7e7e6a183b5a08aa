"""The request body of `POST /chat/completions` (reference 2.1), checked as strictly as clients can bear.

These models only check: what goes to a provider is the client's own JSON, so that nothing is lost or
re-ordered on the way. Members that are not named here are ignored, as OpenRouter does.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Tokens = Annotated[int, Field(ge=1)]
LONGEST_SESSION_ID = 256
Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]


class _Checked(BaseModel):
    # Strict: "5" is not a number; the provider would get the string and refuse it in worse words.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class CacheControl(_Checked):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class _Breakpoint(_Checked):
    mode: Literal["explicit"]
    ttl: str | None = None


class _Part(_Checked):
    # Marks of the prompt's caching are for text; clients of Anthropic's set them on images and files too.
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


class TextPart(_Part):
    type: Literal["text"]
    text: str


class _Address(_Checked):
    url: str


class ImagePart(_Part):
    type: Literal["image_url"]
    image_url: _Address


class _Audio(_Checked):
    data: str
    format: str


class AudioPart(_Part):
    type: Literal["input_audio"]
    input_audio: _Audio


class VideoPart(_Part):
    type: Literal["video_url", "input_video"]
    video_url: _Address


class _File(_Checked):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class FilePart(_Part):
    type: Literal["file"]
    file: _File


Part = Annotated[TextPart | ImagePart | AudioPart | VideoPart | FilePart, Field(discriminator="type")]


class _FunctionCall(_Checked):
    name: str
    arguments: str


class ToolCall(_Checked):
    id: str
    type: Literal["function"] = "function"
    function: _FunctionCall


class SystemMessage(_Checked):
    role: Literal["system", "developer"]
    content: str | list[TextPart]
    name: str | None = None


class UserMessage(_Checked):
    role: Literal["user"]
    content: str | Annotated[list[Part], Field(min_length=1)]
    name: str | None = None


class AssistantMessage(_Checked):
    role: Literal["assistant"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    refusal: str | None = None
    name: str | None = None


class ToolMessage(_Checked):
    role: Literal["tool"]
    content: str | list[Part]
    tool_call_id: str


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class _Function(_Checked):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(_Checked):
    type: Literal["function"]
    function: _Function
    cache_control: CacheControl | None = None


class _ToolName(_Checked):
    name: str


class ToolChoice(_Checked):
    type: Literal["function"]
    function: _ToolName


class _JsonSchema(_Checked):
    name: Annotated[str, Field(max_length=64)]
    description: str | None = None
    # `schema` is a method of pydantic's models.
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class PlainFormat(_Checked):
    type: Literal["text", "json_object", "python"]


class SchemaFormat(_Checked):
    type: Literal["json_schema"]
    json_schema: _JsonSchema


class GrammarFormat(_Checked):
    type: Literal["grammar"]
    grammar: str


Format = Annotated[PlainFormat | SchemaFormat | GrammarFormat, Field(discriminator="type")]


class Reasoning(_Checked):
    effort: Effort | None = None
    max_tokens: Tokens | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "all_turns", "current_turn"] | None = None
    mode: Literal["standard", "pro"] | None = None


class Sort(_Checked):
    by: Literal["price", "throughput", "latency", "exacto"]
    partition: Literal["model", "none"] = "model"


class MaxPrice(_Checked):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    prompt: str | float | None = None
    completion: str | float | None = None
    request: str | float | None = None
    image: str | float | None = None
    audio: str | float | None = None


class Provider(_Checked):
    """The reference's 2.4. An unknown key is refused: a misspelt policy must not pass for one that is met."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    order: list[str] | None = None
    only: list[str] | None = None
    ignore: list[str] | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    quantizations: list[str] | None = None
    sort: Literal["price", "throughput", "latency", "exacto"] | Sort | None = None
    max_price: MaxPrice | None = None
    preferred_min_throughput: float | dict[str, float] | None = None
    preferred_max_latency: float | dict[str, float] | None = None
    options: dict[str, dict[str, Any]] | None = None


class ChatBody(_Checked):
    messages: Annotated[list[Message], Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)] | None = None
    models: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=16)] | None = None
    provider: Provider | None = None
    stream: bool | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    min_p: Probability | None = None
    top_a: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: Format | None = None
    structured_outputs: bool | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    reasoning_effort: Effort | None = None
    include_reasoning: bool | None = None
    verbosity: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    prediction: dict[str, Any] | None = None
    modalities: list[Literal["text", "image", "audio"]] | None = None
    audio: dict[str, Any] | None = None
    image_config: dict[str, Any] | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: _Breakpoint | None = None
    cache_control: CacheControl | None = None
    web_search_options: dict[str, Any] | None = None
    user: Annotated[str, Field(max_length=256)] | None = None
    session_id: Annotated[str, Field(max_length=LONGEST_SESSION_ID)] | None = None
    plugins: list[dict[str, Any]] | None = None
