"""Which function owns which path: read by the CDK app and by the local run alike."""

from collections.abc import Mapping

BASE_PATHS = ("/api/v1", "/v1")
"""OpenRouter's, and the one that OpenAI's clients append by themselves; every path lives below both."""

ROUTES: Mapping[str, tuple[str, ...]] = {
    "completions": (
        *("/chat/completions", "/completions", "/messages", "/responses"),
        *("/embeddings", "/rerank", "/audio"),
    ),
    "catalog": ("/models", "/model", "/providers", "/endpoints", "/embeddings/models"),
    "keys": ("/key", "/keys", "/byok", "/presets"),
    "billing": ("/credits", "/generation", "/activity", "/analytics"),
}
"""By function: its paths, each with everything below it."""
