"""Where Google's two doors to the same models differ: data, each with its reason and source."""

from collections.abc import Mapping
from dataclasses import dataclass

Generation = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Quirks:
    models_path: str
    """Where models are below the base address."""

    tokens: bool
    """Whether the credential may be an OAuth access token."""

    call_ids: bool
    """Whether a call and its result may carry the call's id."""

    tier_headers: Mapping[str, Mapping[str, str]] | None
    """The headers that ask for a service tier; None where it is a member of the body."""

    penalties_before: Generation
    """The first generation of models that refuses presence and frequency penalties."""

    own_files: bool
    """Whether files of Google's own store can be named."""


_PAYGO = "X-Vertex-AI-LLM-Shared-Request-Type"

QUIRKS: Mapping[str, Quirks] = {
    # https://ai.google.dev/api/generate-content
    "google-ai-studio": Quirks(
        models_path="models",
        tokens=False,
        call_ids=True,
        # https://ai.google.dev/gemini-api/docs/flex-inference
        tier_headers=None,
        # "Penalty is not enabled for models/gemini-2.5-flash": https://github.com/vercel/ai/issues/8943
        penalties_before=(2, 5),
        # https://ai.google.dev/gemini-api/docs/files
        own_files=True,
    ),
    # https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
    "google-vertex": Quirks(
        models_path="publishers/google/models",
        tokens=True,
        # 'Unknown name "id" at contents[1].parts[0].function_call': https://github.com/vercel/ai/issues/15664
        call_ids=False,
        # https://docs.cloud.google.com/vertex-ai/generative-ai/docs/priority-paygo and …/flex-paygo
        tier_headers={
            "priority": {_PAYGO: "priority"},
            "flex": {_PAYGO: "flex", "X-Vertex-AI-LLM-Request-Type": "shared"},
        },
        # "Penalty is not enabled for this model", of Gemini 3 alone.
        penalties_before=(3, 0),
        own_files=False,
    ),
}

API_KEYS = ("AIza", "AQ.")
"""What Google's API keys begin with; every other credential is taken for an access token where there are such.
Vertex AI takes keys in express mode: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/start/api-keys"""

FILES = "https://generativelanguage.googleapis.com/"
"""Where Google's own store of files is."""

YOUTUBE = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})
"""Hosts whose videos Google looks at itself: https://ai.google.dev/gemini-api/docs/video-understanding

AI Studio takes other https addresses too, but answers 400 when a site refuses Google's robots, and now and
then for signed ones (https://ai.google.dev/gemini-api/docs/file-input-methods); Vertex AI takes one file of
15 MB a request. What we get ourselves depends on neither.
"""


def quirks_of(provider: str) -> Quirks:
    return QUIRKS.get(provider, QUIRKS["google-ai-studio"])
