"""Gets the recordings that stand at an address, for providers that do not get them themselves."""

from dataclasses import replace

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.transcription import Recording, RemoteRecording, TranscriptionRequest
from turnpike.ports.wires import RecordingAdapter
from turnpike.providers.fetch import Fetcher


async def with_recording(
    request: TranscriptionRequest, adapter: RecordingAdapter, endpoint: Endpoint, fetcher: Fetcher
) -> TranscriptionRequest:
    """Raises InvalidRequest."""
    audio = request.audio
    if not isinstance(audio, RemoteRecording) or adapter.fetches("input_audio", audio.url):
        return request
    try:
        found = (await fetcher.fetch_each([audio.url], within_s=endpoint.timeouts.first_token_s))[audio.url]
    except InvalidRequest as error:
        reason = error.message.removeprefix("messages: ").replace("as a data URL", "in input_audio.data")
    else:
        return replace(request, audio=Recording(found.content, audio.format))
    raise InvalidRequest(reason, field="input_audio.url")
