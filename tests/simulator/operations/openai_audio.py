"""OpenAI's speech and transcriptions. https://platform.openai.com/docs/api-reference/audio"""

from base64 import b64encode

from tests.simulator.asked import bearer, body_of, check_key, unknown_of, words
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.operations.sounds import form_of, pieces_of, said_of, sound_of
from tests.simulator.operations.vectors import tokens_of
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import EVENTS, Target, data_event

_SPEECH = words("input instructions model response_format speed stream_format voice")
_TRANSCRIPTION = words(
    "file include[] language model prompt response_format stream temperature timestamp_granularities[]"
)
_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_MOST_CHARACTERS = 4096
_ENDINGS = frozenset({"flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"})


def speak_as_openai(request: Request, target: Target, key: str) -> Reply:
    check_key(bearer(request), key, "Incorrect API key provided: sim-****.")
    body = body_of(request)
    unknown = unknown_of(body, _SPEECH)
    if unknown:
        raise Trouble("invalid", f"Unknown parameter: '{unknown}'.", param=unknown)
    text, form, model = body["input"], body.get("response_format", "mp3"), body["model"]
    if not isinstance(text, str) or not 0 < len(text) <= _MOST_CHARACTERS or form not in _TYPES:
        raise Trouble("invalid", "Invalid 'input' or 'response_format'.", param="input")
    if not body.get("voice"):
        raise Trouble("invalid", "Missing required parameter: 'voice'.", param="voice")
    pieces = pieces_of(sound_of(text))
    if body.get("stream_format", "audio") == "audio":
        return Reply(200, _TYPES[form], pieces, streamed=True)
    if model.startswith("tts-1"):
        raise Trouble("invalid", "'sse' is not supported for this model.", param="stream_format")
    events = [{"type": "speech.audio.delta", "audio": b64encode(piece).decode()} for piece in pieces]
    read, said = tokens_of(text), len(text)
    usage = {"input_tokens": read, "output_tokens": said, "total_tokens": read + said}
    done = {"type": "speech.audio.done", "usage": usage}
    return Reply(200, EVENTS, tuple(map(data_event, (*events, done))), streamed=True)


def transcribe_as_openai(request: Request, target: Target, key: str) -> Reply:
    """Some models count tokens, and whisper counts seconds."""
    check_key(bearer(request), key, "Incorrect API key provided: sim-****.")
    form = form_of(request)
    unknown = unknown_of(form, _TRANSCRIPTION)
    if unknown:
        raise Trouble("invalid", f"Unknown parameter: '{unknown}'.", param=unknown)
    (name, sound), [model] = form["file"], form["model"]
    [kind] = form.get("response_format", ["json"])
    if name.rpartition(".")[2] not in _ENDINGS:
        raise Trouble("invalid", "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'wav', …]")
    text, seconds = said_of(sound), len(sound) // 1000
    if model.startswith("whisper"):
        if kind != "verbose_json":
            return json_reply({"text": text, "usage": {"type": "duration", "seconds": seconds}})
        segment = {"id": 0, "start": 0.0, "end": float(seconds), "text": f" {text}", "avg_logprob": -0.1}
        whole = {"task": "transcribe", "language": "english", "duration": float(seconds), "text": text}
        return json_reply({**whole, "segments": [segment], "usage": {"type": "duration", "seconds": seconds}})
    if kind != "json" or "timestamp_granularities[]" in form:
        raise Trouble("invalid", f"response_format '{kind}' is not compatible with model '{model}'.")
    heard, said = 10 * seconds, tokens_of(text)
    usage = {"type": "tokens", "input_tokens": heard, "output_tokens": said, "total_tokens": heard + said}
    return json_reply({"text": text, "usage": {**usage, "input_token_details": {"audio_tokens": heard}}})
