"""The body of `POST /rerank` (reference 7.10)."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from turnpike.api.inference.operation import OperationBody
from turnpike.api.inference.routing_schema import Checked

MOST_DOCUMENTS = 1000
"""As Bedrock's, and what Cohere advises: https://docs.cohere.com/v2/reference/rerank"""

Text = Annotated[str, Field(min_length=1)]


class DocumentBody(Checked):
    text: Text | None = None
    image: Text | None = None

    @model_validator(mode="after")
    def _has_something(self) -> "DocumentBody":
        if self.text is None and self.image is None:
            raise ValueError("give a text or an image")
        return self


def _kind_of(given: Any) -> str:
    return "object" if isinstance(given, dict) else "text"


DocumentGiven = Annotated[
    Annotated[Text, Tag("text")] | Annotated[DocumentBody, Tag("object")],
    Discriminator(_kind_of),
]


class RerankBody(OperationBody):
    query: Text
    documents: Annotated[list[DocumentGiven], Field(min_length=1, max_length=MOST_DOCUMENTS)]
    top_n: Annotated[int, Field(ge=1)] | None = None
