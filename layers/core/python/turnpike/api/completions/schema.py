"""What a body of `POST /completions` has besides what chat completions have too (reference 3):
https://platform.openai.com/docs/api-reference/completions/create

It only checks, as the chat skin's does; whatever else the body holds, the chat skin checks.
"""

from typing import Annotated, Any

from pydantic import Field

from turnpike.api.inference.routing_schema import Checked

MOST_GENERATIONS = 128
"""Of one request, over all of its prompts."""

_Count = Annotated[int, Field(ge=1, le=MOST_GENERATIONS)]


class CompletionsBody(Checked):
    prompt: Any
    """Looked at by itself: of all that it may be, a message about a union would name the wrong part."""
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    n: _Count | None = None
    best_of: _Count | None = None


CompletionsBody.model_rebuild()
