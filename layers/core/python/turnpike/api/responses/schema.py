"""The request body of `POST /responses` (reference 8.4): https://platform.openai.com/docs/api-reference/responses/create.

These models only check, as those of the chat skin do; members that are not named here are ignored.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from turnpike.api.inference.routing_schema import CacheControl, Checked, Metadata, RoutedBody

Tokens = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]


class TextPart(Checked):
    type: Literal["input_text", "output_text", "text"]
    text: str
    cache_control: CacheControl | None = None


class ImagePart(Checked):
    type: Literal["input_image"]
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None


class FilePart(Checked):
    type: Literal["input_file"]
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _Audio(Checked):
    data: str
    format: str


class AudioPart(Checked):
    type: Literal["input_audio"]
    input_audio: _Audio


class RefusalPart(Checked):
    type: Literal["refusal"]
    refusal: str


Part = Annotated[TextPart | ImagePart | FilePart | AudioPart | RefusalPart, Field(discriminator="type")]


class MessageItem(Checked):
    type: Literal["message"] | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]


class CallItem(Checked):
    type: Literal["function_call"]
    call_id: Name
    name: Name
    namespace: str | None = None
    arguments: str


class CustomCallItem(Checked):
    type: Literal["custom_tool_call"]
    call_id: Name
    name: Name
    namespace: str | None = None
    input: str


class ResultItem(Checked):
    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: Name
    output: str | list[Part]


class _Text(Checked):
    text: str


class ReasoningItem(Checked):
    type: Literal["reasoning"]
    summary: list[_Text] | None = None
    content: list[_Text] | None = None
    encrypted_content: str | None = None


class ImageItem(Checked):
    type: Literal["image_generation_call"]
    result: str | None = None


class OtherItem(Checked):
    """One of a tool that runs at the provider, or that is not known."""

    type: str


ToolName = Annotated[str, Field(min_length=1, max_length=128)]


class FunctionTool(Checked):
    type: Literal["function"]
    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _PlainInput(Checked):
    type: Literal["text"]


class _Grammar(Checked):
    type: Literal["grammar"]
    syntax: Literal["lark", "regex"]
    definition: str


class CustomTool(Checked):
    """One that takes a text."""

    type: Literal["custom"]
    name: ToolName
    description: str | None = None
    format: Annotated[_PlainInput | _Grammar, Field(discriminator="type")] | None = None


class NamespaceTool(Checked):
    type: Literal["namespace"]
    name: ToolName
    description: str | None = None
    tools: list[Annotated[FunctionTool | CustomTool, Field(discriminator="type")]]


class SearchTool(Checked):
    """Finds further tools; at the client, where that is said."""

    type: Literal["tool_search"]
    execution: Literal["client", "server"] | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OtherTool(Checked):
    """One that is no function."""

    type: str


_TOOLS = frozenset({"function", "custom", "namespace", "tool_search"})


def _kind_of(tool: Any) -> str:
    kind = tool.get("type") if isinstance(tool, dict) else None
    return kind if isinstance(kind, str) and kind in _TOOLS else "other"


Tool = Annotated[
    Annotated[FunctionTool, Tag("function")]
    | Annotated[CustomTool, Tag("custom")]
    | Annotated[NamespaceTool, Tag("namespace")]
    | Annotated[SearchTool, Tag("tool_search")]
    | Annotated[OtherTool, Tag("other")],
    Discriminator(_kind_of),
]


class MoreToolsItem(Checked):
    type: Literal["additional_tools"]
    tools: list[Tool]


class SearchCallItem(Checked):
    type: Literal["tool_search_call"]
    call_id: Name
    arguments: Any = None


class FoundToolsItem(Checked):
    type: Literal["tool_search_output"]
    call_id: Name
    tools: list[Tool]


_ITEMS = frozenset(
    {
        *("message", "function_call", "custom_tool_call", "tool_search_call", "reasoning"),
        *("additional_tools", "tool_search_output", "image_generation_call"),
    }
)
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


def _tag_of(item: Any) -> str:
    kind = item.get("type", "message") if isinstance(item, dict) else None
    if not isinstance(kind, str):
        return "other"
    return "result" if kind in _RESULTS else kind if kind in _ITEMS else "other"


Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[CallItem, Tag("function_call")]
    | Annotated[CustomCallItem, Tag("custom_tool_call")]
    | Annotated[ResultItem, Tag("result")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[MoreToolsItem, Tag("additional_tools")]
    | Annotated[SearchCallItem, Tag("tool_search_call")]
    | Annotated[FoundToolsItem, Tag("tool_search_output")]
    | Annotated[ImageItem, Tag("image_generation_call")]
    | Annotated[OtherItem, Tag("other")],
    Discriminator(_tag_of),
]


class ToolChoice(Checked):
    type: Literal["function", "custom"]
    name: Name
    namespace: str | None = None


class AllowedChoice(Checked):
    """All tools stay as they are, and only these may be called."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list["OneChoice"], Field(min_length=1)]


class NativeChoice(Checked):
    """One of the tools that are no functions."""

    type: str


def _chosen(choice: Any) -> str:
    return "named" if isinstance(choice, dict) and choice.get("type") in ("function", "custom") else "other"


def _narrowed(choice: Any) -> str:
    return "allowed" if isinstance(choice, dict) and choice.get("type") == "allowed_tools" else _chosen(choice)


_Named = Annotated[ToolChoice, Tag("named")]
_Other = Annotated[NativeChoice, Tag("other")]
OneChoice = Annotated[_Named | _Other, Discriminator(_chosen)]
Choice = Annotated[Annotated[AllowedChoice, Tag("allowed")] | _Named | _Other, Discriminator(_narrowed)]


class PlainFormat(Checked):
    type: Literal["text", "json_object"]


class SchemaFormat(Checked):
    type: Literal["json_schema"]
    name: Annotated[str, Field(max_length=64)]
    description: str | None = None
    # `schema` is a method of pydantic's models.
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class Text(Checked):
    format: Annotated[PlainFormat | SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class Reasoning(Checked):
    effort: Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    max_tokens: Tokens | None = None
    enabled: bool | None = None


class ResponsesBody(RoutedBody):
    input: str | Annotated[list[Item], Field(min_length=1)]
    instructions: str | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    max_output_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | Choice | None = None
    max_tool_calls: Tokens | None = None
    include: list[str] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    modalities: list[Literal["text", "image"]] | None = None
    image_config: dict[str, Any] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    cache_control: CacheControl | None = None
    safety_identifier: Annotated[str, Field(max_length=256)] | None = None


ResponsesBody.model_rebuild()
