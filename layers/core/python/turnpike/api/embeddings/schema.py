"""The body of `POST /embeddings` (reference 7.9)."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from turnpike.api.inference.operation import OperationBody
from turnpike.api.inference.routing_schema import Checked
from turnpike.domain.embeddings import Encoding

MOST_INPUTS = 2048
"""As OpenAI's: https://platform.openai.com/docs/api-reference/embeddings/create"""
MOST_TOKENS = 8192
MOST_PARTS = 16

Token = Annotated[int, Field(ge=0, lt=2**31)]
Tokens = Annotated[list[Token], Field(min_length=1, max_length=MOST_TOKENS)]
Text = Annotated[str, Field(min_length=1)]


class TextPart(Checked):
    type: Literal["text"]
    text: Text


class ImageAddress(Checked):
    url: Text


class ImagePart(Checked):
    type: Literal["image_url"]
    image_url: ImageAddress


class Media(Checked):
    data: Text
    format: str | None = None


class AudioPart(Checked):
    type: Literal["input_audio"]
    input_audio: Media


class VideoPart(Checked):
    type: Literal["input_video"]
    input_video: Media


class FilePart(Checked):
    type: Literal["input_file"]
    input_file: Media


Part = Annotated[TextPart | ImagePart | AudioPart | VideoPart | FilePart, Field(discriminator="type")]


class PartsInput(Checked):
    content: Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]


def _kind_of(given: Any) -> str:
    """Of `input`, by its first element: one error for the form that was meant, and not one for each."""
    if isinstance(given, str):
        return "text"
    first = given[0] if isinstance(given, list) and given else None
    kinds = {int: "tokens", list: "token_lists", dict: "parts"}
    return kinds.get(type(first), "texts")


_Many = Field(min_length=1, max_length=MOST_INPUTS)
Inputs = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[Annotated[list[Text], _Many], Tag("texts")]
    | Annotated[Tokens, Tag("tokens")]
    | Annotated[Annotated[list[Tokens], _Many], Tag("token_lists")]
    | Annotated[Annotated[list[PartsInput], _Many], Tag("parts")],
    Discriminator(_kind_of),
]


class EmbeddingsBody(OperationBody):
    input: Inputs
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    encoding_format: Encoding | None = None
    input_type: Annotated[str, Field(min_length=1, max_length=64)] | None = None
