"""Gemini's speech. https://ai.google.dev/gemini-api/docs/speech-generation"""

from base64 import b64encode

from tests.simulator.asked import body_of
from tests.simulator.http import Reply, Request, json_reply
from tests.simulator.operations.sounds import sound_of
from tests.simulator.operations.vectors import tokens_of
from tests.simulator.trouble import Trouble
from tests.simulator.wires.wire import Target


def speak_as_google(request: Request, target: Target, key: str) -> Reply:
    if request.headers.get("x-goog-api-key") != key:
        raise Trouble("invalid", "API key not valid. Please pass a valid API key.")
    body = body_of(request)
    config, [content] = body["generationConfig"], body["contents"]
    [part] = content["parts"]
    if config["responseModalities"] != ["AUDIO"] or set(config) - {"responseModalities", "speechConfig"}:
        raise Trouble("invalid", "The requested combination of response modalities (TEXT) is not supported.")
    speakers = config.get("speechConfig", {}).get("multiSpeakerVoiceConfig", {}).get("speakerVoiceConfigs", ())
    if len(speakers) not in (0, 2) or not all(f"{each['speaker']}" in part["text"] for each in speakers):
        raise Trouble("invalid", "Number of enabled_voices must equal to 2.")
    sound = sound_of(part["text"])
    data = {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": b64encode(sound).decode()}
    read, said = tokens_of(part["text"]), len(part["text"])
    return json_reply(
        {
            "candidates": [{"content": {"parts": [{"inlineData": data}], "role": "model"}, "finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": read,
                "candidatesTokenCount": said,
                "totalTokenCount": read + said,
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": said}],
            },
            "modelVersion": target.model,
            "responseId": "sim-speech",
        }
    )
