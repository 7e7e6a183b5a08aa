"""From the body of `POST /audio/transcriptions` to the canonical request, and back."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response

from turnpike.api.audio.schema import InlineAudio, InputAudio, TranscriptionBody
from turnpike.api.audio.subtitles import present_srt, present_vtt
from turnpike.api.audio.upload import FILE, MOST_FILE_BYTES, Upload, read_audio
from turnpike.api.edge import json_response
from turnpike.api.inference.cost import present_cost
from turnpike.api.inference.operation import OperationSkin, common_members
from turnpike.api.validation import parse
from turnpike.domain.errors import InvalidRequest, PayloadTooLarge
from turnpike.domain.transcription import Recording, RemoteRecording, Transcript, TranscriptionRequest
from turnpike.services.operation_call import OperationCall

_PARAMETERS = ("language", "prompt", "temperature", "timestamp_granularities", "diarize", "keyterms")
_LONGEST_FORMAT = 8
_FORMATS: Mapping[str, str] = {
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/webm": "webm",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/m4a": "m4a",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
"""Of files without an ending, as browsers send what they have recorded; also with `x-` before the second half."""


def parse_transcription_request(content: Mapping[str, Any], headers: Headers) -> TranscriptionRequest:
    """Raises InvalidRequest naming the field, and PayloadTooLarge."""
    upload = content.get(FILE)
    body = parse(TranscriptionBody, {name: value for name, value in content.items() if name != FILE})
    if body.stream:
        raise InvalidRequest("transcripts come in one piece; leave it out", field="stream")
    given = {name: getattr(body, name) for name in _PARAMETERS}
    return TranscriptionRequest(
        **common_members(body, headers),
        audio=_uploaded(upload) if isinstance(upload, Upload) else _recording(body.input_audio),
        format=body.response_format or "json",
        parameters={name: value for name, value in given.items() if value not in (None, "", [], False)},
    )


def _uploaded(upload: Upload) -> Recording:
    if not upload.content:
        raise InvalidRequest("it is empty", field=FILE)
    ending = _ending_of(upload.name) or _FORMATS.get((upload.media_type or "").replace("/x-", "/"))
    if ending is None:
        raise InvalidRequest(
            "neither its name's ending, such as .mp3, nor its content type says what format it has", field=FILE
        )
    return Recording(upload.content, ending)


def _recording(audio: InputAudio | None) -> Recording | RemoteRecording:
    if audio is None:
        raise InvalidRequest(
            'send it as {"data": base64, "format": …} or {"url": …}, or a form with a `file`', field="input_audio"
        )
    if isinstance(audio, InlineAudio):
        try:
            data = b64decode(audio.data, validate=True)
        except (NotBase64, ValueError):
            raise InvalidRequest("it is not base64; send no data URL either", field="input_audio.data") from None
        if len(data) > MOST_FILE_BYTES:
            raise PayloadTooLarge(f"the recording is larger than {MOST_FILE_BYTES // 1024 // 1024} MB")
        return Recording(data, audio.format)
    form = audio.format or _ending_of(_path_of(audio.url))
    if form is None:
        raise InvalidRequest("the address has no ending; name the format", field="input_audio.format")
    return RemoteRecording(audio.url, form)


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _ending_of(name: str) -> str | None:
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    ending = ending.lower()
    return ending if dot and ending.isascii() and ending.isalnum() and len(ending) <= _LONGEST_FORMAT else None


def present_transcript(call: OperationCall[Transcript], request: TranscriptionRequest, result: Transcript) -> Response:
    match request.format:
        case "text":
            return _plain(result.text + "\n")
        case "srt":
            return _plain(present_srt(result.segments))
        case "vtt":
            return _plain(present_vtt(result.segments), "text/vtt")
        case "json":
            return json_response({"text": result.text, "usage": _present_usage(call)})
    details = {
        "task": "transcribe",
        "language": result.language or request.parameters.get("language"),
        "duration": result.duration_s,
        "text": result.text,
        "segments": list(result.segments),
        "words": list(result.words) if result.words else None,
        "usage": _present_usage(call),
    }
    return json_response({name: value for name, value in details.items() if value is not None})


def _plain(text: str, media_type: str = "text/plain") -> Response:
    return Response(text, media_type=media_type)


def _present_usage(call: OperationCall[Transcript]) -> dict[str, Any]:
    """`type` is OpenAI's, whose clients tell the two forms apart by it."""
    usage = call.usage
    counted = bool(usage.prompt_tokens or usage.completion_tokens)
    return {
        "type": "tokens" if counted else "duration",
        **({"seconds": usage.prompt_audio_ms / 1000} if usage.prompt_audio_ms else {}),
        **(
            {
                "input_tokens": usage.prompt_tokens,
                "output_tokens": usage.completion_tokens,
                "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            }
            if counted
            else {}
        ),
        **present_cost(call),
    }


TRANSCRIPTION = OperationSkin(parse_transcription_request, present_transcript, read_audio)
