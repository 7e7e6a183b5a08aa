"""The request body of `POST /messages` (reference 8.1): https://platform.claude.com/docs/en/api/messages/create.

These models only check, as those of the chat skin do. Members that are not named here are ignored: some, as
`context_management`, only ask to save tokens, and clients send them to whoever they speak to.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from turnpike.api.inference.routing_schema import CacheControl, Checked, Closed, RoutedBody

Tokens = Annotated[int, Field(ge=1)]
Effort = Literal["low", "medium", "high", "xhigh", "max"]
Name = Annotated[str, Field(min_length=1)]


class _Block(Checked):
    cache_control: CacheControl | None = None


class TextBlock(_Block):
    type: Literal["text"]
    text: str


class _Base64Source(Checked):
    type: Literal["base64"]
    media_type: str
    data: str


class _UrlSource(Checked):
    type: Literal["url"]
    url: str


class _FileSource(Checked):
    type: Literal["file"]
    file_id: str


class _TextSource(Checked):
    type: Literal["text"]
    data: str


class ImageBlock(_Block):
    type: Literal["image"]
    source: Annotated[_Base64Source | _UrlSource | _FileSource, Field(discriminator="type")]


class _ContentSource(Checked):
    type: Literal["content"]
    content: str | list[Annotated[TextBlock | ImageBlock, Field(discriminator="type")]]


class DocumentBlock(_Block):
    type: Literal["document"]
    source: Annotated[
        _Base64Source | _UrlSource | _FileSource | _TextSource | _ContentSource, Field(discriminator="type")
    ]
    title: str | None = None
    context: str | None = None


class SearchResultBlock(_Block):
    type: Literal["search_result"]
    source: str
    title: str
    content: list[TextBlock]


class ToolUseBlock(_Block):
    type: Literal["tool_use"]
    id: Name
    name: Name
    input: dict[str, Any]


class OtherBlock(Checked):
    """One that belongs to Anthropic's own tools, or that is not known."""

    type: str


def _tag_of(block: Any) -> str:
    kind = block.get("type") if isinstance(block, dict) else None
    return kind if isinstance(kind, str) and kind in _BLOCKS else "other"


_Told = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[DocumentBlock, Tag("document")]
    | Annotated[SearchResultBlock, Tag("search_result")]
    | Annotated[OtherBlock, Tag("other")],
    Discriminator(lambda block: tag if (tag := _tag_of(block)) in _TOLD else "other"),
]


class ToolResultBlock(_Block):
    type: Literal["tool_result"]
    tool_use_id: Name
    content: str | list[_Told] | None = None
    is_error: bool | None = None


class ThinkingBlock(Checked):
    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(Checked):
    type: Literal["redacted_thinking"]
    data: str


_TOLD = frozenset({"text", "image", "document", "search_result"})
_BLOCKS = _TOLD | {"tool_use", "tool_result", "thinking", "redacted_thinking"}

Block = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[DocumentBlock, Tag("document")]
    | Annotated[SearchResultBlock, Tag("search_result")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[ThinkingBlock, Tag("thinking")]
    | Annotated[RedactedThinkingBlock, Tag("redacted_thinking")]
    | Annotated[OtherBlock, Tag("other")],
    Discriminator(_tag_of),
]


class Turn(Checked):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class CustomTool(_Block):
    type: Literal["custom"] | None = None
    name: Annotated[str, Field(min_length=1, max_length=128)]
    description: str | None = None
    input_schema: dict[str, Any]
    strict: bool | None = None


class OtherTool(Checked):
    """One of Anthropic's own, or of OpenRouter's."""

    type: str


def _kind_of(tool: Any) -> str:
    kind = tool.get("type") if isinstance(tool, dict) else None
    return "custom" if kind in (None, "custom") else "other"


Tool = Annotated[Annotated[CustomTool, Tag("custom")] | Annotated[OtherTool, Tag("other")], Discriminator(_kind_of)]


class ToolChoice(Checked):
    type: Literal["auto", "any", "none", "tool"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Checked):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: Tokens | None = None
    display: Literal["summarized", "omitted", "updates"] | None = None


class _SchemaFormat(Checked):
    type: Literal["json_schema"]
    # `schema` is a method of pydantic's models.
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(Checked):
    effort: Effort | None = None
    format: _SchemaFormat | None = None


class _Metadata(Checked):
    user_id: Annotated[str, Field(max_length=512)] | None = None


class _Fallback(Closed):
    """OpenRouter refuses all else that Anthropic has here: nothing of a request may differ from one to the next."""

    model: Name


class MessagesBody(RoutedBody):
    messages: Annotated[list[Turn], Field(min_length=1)]
    max_tokens: Tokens | None = None
    system: str | list[TextBlock] | None = None
    stop_sequences: Annotated[list[str], Field(max_length=64)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: _SchemaFormat | None = None
    """The older name of `output_config.format`."""
    metadata: _Metadata | None = None
    cache_control: CacheControl | None = None
    service_tier: str | None = None
    thread: Any = None
    mcp_servers: Any = None
    # OpenRouter's own.
    fallbacks: Annotated[list[_Fallback], Field(max_length=3)] | None = None


MessagesBody.model_rebuild()
