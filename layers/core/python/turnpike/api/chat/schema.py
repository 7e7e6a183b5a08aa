"""The request body of `POST /chat/completions` (reference 2.1), checked as strictly as clients can bear.

These models only check: what goes to a provider is the client's own JSON, so that nothing is lost or
re-ordered on the way. Members that are not named here are ignored, as OpenRouter does.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from turnpike.api.inference.routing_schema import CacheControl, Checked, Metadata, RoutedBody

Probability = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Tokens = Annotated[int, Field(ge=1)]
Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]


class _Breakpoint(Checked):
    mode: Literal["explicit"]
    ttl: str | None = None


class _Part(Checked):
    # Marks of the prompt's caching are for text; clients of Anthropic's set them on images and files too.
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


class TextPart(_Part):
    type: Literal["text"]
    text: str


class _Address(Checked):
    url: str


class ImagePart(_Part):
    type: Literal["image_url"]
    image_url: _Address


class _Audio(Checked):
    data: str
    format: str


class AudioPart(_Part):
    type: Literal["input_audio"]
    input_audio: _Audio


class VideoPart(_Part):
    type: Literal["video_url", "input_video"]
    video_url: _Address


class _File(Checked):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class FilePart(_Part):
    type: Literal["file"]
    file: _File


Part = Annotated[TextPart | ImagePart | AudioPart | VideoPart | FilePart, Field(discriminator="type")]


class _FunctionCall(Checked):
    name: str
    arguments: str


class ToolCall(Checked):
    id: str
    type: Literal["function"] = "function"
    function: _FunctionCall


class SystemMessage(Checked):
    role: Literal["system", "developer"]
    content: str | list[TextPart]
    name: str | None = None


class UserMessage(Checked):
    role: Literal["user"]
    content: str | Annotated[list[Part], Field(min_length=1)]
    name: str | None = None


class AssistantMessage(Checked):
    role: Literal["assistant"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    refusal: str | None = None
    name: str | None = None


class ToolMessage(Checked):
    role: Literal["tool"]
    content: str | list[Part]
    tool_call_id: str


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class _Function(Checked):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Checked):
    type: Literal["function"]
    function: _Function
    cache_control: CacheControl | None = None


class OtherTool(Checked):
    """One of OpenRouter's own, or one that is not known."""

    type: str


def _kind_of(tool: Any) -> str:
    kind = tool.get("type") if isinstance(tool, dict) else None
    return "other" if isinstance(kind, str) and kind != "function" else "function"


AnyTool = Annotated[Annotated[Tool, Tag("function")] | Annotated[OtherTool, Tag("other")], Discriminator(_kind_of)]


class _ToolName(Checked):
    name: str


class ToolChoice(Checked):
    type: Literal["function"]
    function: _ToolName


class _AllowedTools(Checked):
    mode: Literal["auto", "required"]
    tools: Annotated[list[ToolChoice], Field(min_length=1)]


class AllowedTools(Checked):
    """As OpenAI has it: all tools stay as they are, and only these may be called."""

    type: Literal["allowed_tools"]
    allowed_tools: _AllowedTools


class _JsonSchema(Checked):
    name: Annotated[str, Field(max_length=64)]
    description: str | None = None
    # `schema` is a method of pydantic's models.
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class PlainFormat(Checked):
    type: Literal["text", "json_object", "python"]


class SchemaFormat(Checked):
    type: Literal["json_schema"]
    json_schema: _JsonSchema


class GrammarFormat(Checked):
    type: Literal["grammar"]
    grammar: str


Format = Annotated[PlainFormat | SchemaFormat | GrammarFormat, Field(discriminator="type")]


class Reasoning(Checked):
    effort: Effort | None = None
    max_tokens: Tokens | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "all_turns", "current_turn"] | None = None
    mode: Literal["standard", "pro"] | None = None


class ChatBody(RoutedBody):
    messages: Annotated[list[Message], Field(min_length=1)]
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
    tools: list[AnyTool] | None = None
    tool_choice: (
        Literal["none", "auto", "required"] | Annotated[ToolChoice | AllowedTools, Field(discriminator="type")] | None
    ) = None
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
    metadata: Metadata | None = None
    transforms: list[Literal["middle-out"]] | None = None


# Once for all of the models above, and here, so that no request waits for it.
ChatBody.model_rebuild()
