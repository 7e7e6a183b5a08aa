"""Gets the recordings that stand at an address, for providers that do not get them themselves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.operation import OperationRequest, ResultT
from turnpike.domain.transcription import Recording, RemoteRecording, TranscriptionRequest
from turnpike.providers.fetch import Fetcher

ADDRESS_FIELDS: Mapping[str, str] = {
    # https://console.groq.com/docs/speech-to-text
    "groq": "url",
    # https://docs.mistral.ai/api/endpoint/audio/transcriptions
    "mistral": "file_url",
}
"""The field that takes an address, of the providers that have one."""


async def with_recording(
    request: OperationRequest[ResultT], endpoint: Endpoint, fetcher: Fetcher
) -> OperationRequest[ResultT]:
    """Raises InvalidRequest."""
    asked = cast(Any, request)
    if not isinstance(asked, TranscriptionRequest) or not isinstance(asked.audio, RemoteRecording):
        return request
    if endpoint.provider in ADDRESS_FIELDS:
        return request
    url = asked.audio.url
    try:
        found = (await fetcher.fetch_each([url], within_s=endpoint.timeouts.first_token_s))[url]
    except InvalidRequest as error:
        reason = error.message.removeprefix("messages: ").replace("as a data URL", "in input_audio.data")
    else:
        return cast(OperationRequest[ResultT], replace(asked, audio=Recording(found.content, asked.audio.format)))
    raise InvalidRequest(reason, field="input_audio.url")
