"""Which function owns which path: read by the CDK app and by the local run alike."""

from collections.abc import Mapping

BASE_PATHS = ("/api/v1", "/v1")
"""OpenRouter's, and the one that OpenAI's clients append by themselves; every path lives below both."""

ROUTES: Mapping[str, tuple[str, ...]] = {
    "completions": (
        *("/chat/completions", "/completions", "/messages", "/responses"),
        *("/embeddings", "/images", "/rerank", "/audio"),
    ),
    "catalog": ("/models", "/model", "/providers", "/endpoints", "/embeddings/models", "/images/models"),
    "keys": ("/key", "/keys", "/byok", "/presets", "/batches"),
    "billing": ("/credits", "/generation", "/activity", "/analytics"),
}
"""By function: its paths, each with everything below it."""

BINARY_TYPES = ("multipart/form-data", "application/octet-stream", "audio/*")
"""What is no text: uploads, which API Gateway hands to functions in base64 for that, and sound, which clients ask for
by the last two where a stage does not stream. JSON stays text, of which 6 MB fit into an event and not 4.5.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings.html"""
