"""Azure's Responses API, which is OpenAI's: its errors are those of the reader for it."""

from tests.replay.readers.openai_responses import ERRORS, expected

__all__ = ["ERRORS", "expected"]
