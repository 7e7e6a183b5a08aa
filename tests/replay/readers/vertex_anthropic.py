"""Claude through Vertex AI: Anthropic's answers and errors as they are, within Google's errors for the platform."""

from tests.replay.expected import ExpectedError
from tests.replay.readers.anthropic import expected

__all__ = ["ERRORS", "expected"]

ERRORS = {
    "vertex-anthropic/vertex_anthropic_answers[2]": ExpectedError(
        "invalid_request", retryable=False, message="max_tokens: Field required"
    ),
    "vertex-anthropic/vertex_anthropic_answers[3]": ExpectedError(
        "rate_limit_exceeded", retryable=True, message="Quota exceeded"
    ),
}
