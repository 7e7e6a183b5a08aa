"""Optical recognition by Mistral: https://docs.mistral.ai/capabilities/document_ai/basic_ocr"""

import asyncio
from collections.abc import Callable

import orjson

from turnpike.domain.errors import InvalidRequest
from turnpike.domain.file_texts import OcrFailed
from turnpike.providers.media import data_url
from turnpike.providers.transport import BROKEN, LATE, PooledTransport, send_json

BASE_URL = "https://api.mistral.ai/v1"

_WITHIN_S = 120.0
"""For a thousand pages; a few take a second or two."""
_MOST_BYTES = 32 * 1024 * 1024
_BAD_FILE = frozenset({400, 413, 415, 422})


class MistralOcr:
    """Implements the port `Ocr`. `on_failure` is told of each failure, none of which has anything of a file in it."""

    def __init__(
        self,
        transport: PooledTransport,
        *,
        api_key: str,
        base_url: str = "",
        on_failure: Callable[[OcrFailed], None],
        within_s: float = _WITHIN_S,
    ) -> None:
        self._transport = transport
        self._url = f"{(base_url or BASE_URL).rstrip('/')}/ocr"
        self._headers = {"authorization": f"Bearer {api_key}"}
        self._on_failure = on_failure
        self._within_s = within_s

    async def __call__(self, content: bytes) -> str:
        found = await self._ask(content)
        if isinstance(found, OcrFailed):
            self._on_failure(found)
        if not isinstance(found, str):
            raise found
        return found

    async def _ask(self, content: bytes) -> str | OcrFailed | InvalidRequest:
        """Failures are returned, so that what failed inside, which may hold the file, is not their context."""
        document = {"type": "document_url", "document_url": data_url("application/pdf", content)}
        body = orjson.dumps({"model": "mistral-ocr-latest", "document": document, "include_image_base64": False})
        try:
            async with asyncio.timeout(self._within_s):
                status, answer = await send_json(
                    self._transport, "POST", self._url, self._headers, body, most_bytes=_MOST_BYTES
                )
        except LATE:
            return _failed("did not answer in time")
        except BROKEN:
            return _failed("cannot be reached")
        if status in (401, 402, 403):
            return _failed(
                f"refused this deployment's key (HTTP {status}); its operator has to look after MISTRAL_API_KEY", status
            )
        if status in _BAD_FILE:
            return InvalidRequest(f"a PDF cannot be read: mistral-ocr refused it (HTTP {status})", field="messages")
        if status != 200:
            return _failed(f"failed (HTTP {status})", status)
        try:
            texts = [page["markdown"].strip() for page in orjson.loads(answer)["pages"]]
        except (KeyError, TypeError, AttributeError, ValueError):
            return _failed("sent what is no answer", status)
        text = "\n\n".join(filter(None, texts))
        return text or InvalidRequest("a PDF cannot be read: there is no text on its pages", field="messages")


def _failed(what: str, status: int | None = None) -> OcrFailed:
    return OcrFailed(f"The engine mistral-ocr {what}. Nothing was charged; try again", ocr_status=status)
