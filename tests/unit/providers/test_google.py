"""What is sent to Google, and how odd answers are read. Ordinary answers are replayed, in tests/replay."""

import contextlib
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta, Usage
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.providers.folding import completion_of
from turnpike.providers.google.adapter import build_adapter
from turnpike.providers.google.arguments import Arguments
from turnpike.providers.google.models import parse_model
from turnpike.providers.google.schemas import build_schema

from tests.replay.recordings import find

STUDIO, VERTEX = "google-ai-studio", "google-vertex"
USER = {"role": "user", "content": "Hello"}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Now", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
OTHER_CALL = {"id": "call_2", "type": "function", "function": {"name": "time", "arguments": ""}}
PNG = "iVBORw0KGgo="
GEMINI_2, GEMINI_25, GEMINI_3 = "gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-flash-preview"


def endpoint(model: str = GEMINI_25, *parameters: str) -> Endpoint:
    return Endpoint(
        model_id="google/gemini",
        provider=STUDIO,
        upstream_model=model,
        base_url="https://api.test/v1beta",
        pricing=Pricing(Decimal(1), Decimal(1)),
        context_length=1_048_576,
        supported_parameters=frozenset(parameters),
    )


def request(*messages: Any, **changes: Any) -> ChatRequest:
    values: dict[str, Any] = {"models": ("google/gemini",), "messages": messages or (USER,), "parameters": {}}
    return ChatRequest(**(values | changes))


def sent(asked: ChatRequest, model: str = GEMINI_25, provider: str = STUDIO) -> Any:
    built = build_adapter(provider).build_request(asked, endpoint(model), "AIza-secret")
    return orjson.loads(orjson.dumps(built.body))


def contents(*messages: Any, model: str = GEMINI_25, provider: str = STUDIO) -> Any:
    return sent(request(*messages), model, provider)["contents"]


def config(model: str = GEMINI_25, provider: str = STUDIO, max_tokens: int | None = None, **parameters: Any) -> Any:
    asked = request(parameters=parameters, max_tokens=max_tokens)
    return sent(asked, model, provider).get("generationConfig", {})


def answered(**members: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, **members}


def result(call_id: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def encrypted(data: str, call_id: str | None = None, **changes: Any) -> dict[str, Any]:
    detail = {"type": "reasoning.encrypted", "data": data, "format": "google-gemini-v1", "index": 0}
    return {**detail, **({"id": call_id} if call_id else {}), **changes}


def event(*parts: Any, **candidate: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **candidate}], "responseId": "r"}


def streamed(*events: Any) -> list[Delta]:
    decoder = build_adapter(STUDIO).stream_decoder()
    deltas = [delta for each in events for delta in decoder.feed(b"data: " + orjson.dumps(each) + b"\n\n")]
    return deltas + decoder.finish()


def failed(deltas: list[Delta]) -> UpstreamError:
    error = deltas[-1].error
    assert isinstance(error, UpstreamError)
    return error


# Addresses and credentials.


def test_the_least_request() -> None:
    built: Any = build_adapter(STUDIO).build_request(request(), endpoint(), "AIza-secret")
    assert built.url == "https://api.test/v1beta/models/gemini-2.5-flash:generateContent"
    assert built.headers["x-goog-api-key"] == "AIza-secret"
    assert "authorization" not in built.headers
    assert built.body == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_a_stream_has_its_own_method_and_is_asked_for_as_server_sent_events() -> None:
    built = build_adapter(STUDIO).build_request(request(stream=True), endpoint("models/gemini-x"), "k")
    assert built.url == "https://api.test/v1beta/models/gemini-x:streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("credential", "header", "value"),
    [
        ("ya29.c.b0AXv0zTN", "authorization", "Bearer ya29.c.b0AXv0zTN"),
        ("a-token-of-another-form", "authorization", "Bearer a-token-of-another-form"),
        ("AIzaSyExpress", "x-goog-api-key", "AIzaSyExpress"),
        ("AQ.Ab8RExpress", "x-goog-api-key", "AQ.Ab8RExpress"),
    ],
)
def test_vertex_takes_tokens_and_the_keys_of_express_mode(credential: str, header: str, value: str) -> None:
    at = replace(endpoint(), base_url="https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/")
    built = build_adapter(VERTEX).build_request(request(), at, credential)
    assert built.url == at.base_url + "publishers/google/models/gemini-2.5-flash:generateContent"
    assert built.headers[header] == value
    assert len({"authorization", "x-goog-api-key"} & built.headers.keys()) == 1


def test_google_fetches_its_own_files_and_youtube_alone() -> None:
    studio, vertex = build_adapter(STUDIO), build_adapter(VERTEX)
    for url in ("https://www.youtube.com/watch?v=x", "https://youtu.be/x"):
        assert studio.fetches("video_url", url)
        assert vertex.fetches("video_url", url)
    assert studio.fetches("file", "https://generativelanguage.googleapis.com/v1beta/files/abc")
    assert not vertex.fetches("file", "https://generativelanguage.googleapis.com/v1beta/files/abc")
    assert not studio.fetches("image_url", "https://youtu.be/x")
    assert not studio.fetches("video_url", "https://youtube.com.example.org/x.mp4")


# The conversation.


def test_instructions_stand_apart_and_turns_alternate() -> None:
    body = sent(
        request(
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One", "name": "Ada"},
            {"role": "user", "content": [{"type": "text", "text": "Two"}, {"type": "text", "text": ""}]},
            {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
            {"role": "assistant", "content": "Trois"},
            {"role": "assistant", "content": ", qua"},
        )
    )
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In French."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Ada: One"}, {"text": "Two"}]},
        {"role": "model", "parts": [{"text": "Trois"}, {"text": ", qua"}]},
    ]


@pytest.mark.parametrize("model", ["gemma-3-27b-it", "gemma-4-26b-a4b-it"])
def test_gemma_has_no_instructions(model: str) -> None:
    body = sent(request({"role": "system", "content": "Be brief."}, USER), model)
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "Hello"}]}]}


def test_instructions_alone_are_what_the_user_says() -> None:
    body = sent(request({"role": "system", "content": "Greet."}))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Greet."}]}]}


def test_results_of_parallel_calls_are_one_turn_in_the_order_of_the_calls() -> None:
    asked = (USER, answered(tool_calls=[CALL, OTHER_CALL]), result("call_2", "noon"), result("call_1", '{"t": 3}'))
    call = {"name": "weather", "args": {"city": "Oslo"}}
    assert contents(*asked)[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "call_1", **call}},
                {"functionCall": {"id": "call_2", "name": "time", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "call_1", "name": "weather", "response": {"t": 3}}},
                {"functionResponse": {"id": "call_2", "name": "time", "response": {"output": "noon"}}},
            ],
        },
    ]
    # Vertex AI does not know ids.
    called, responded = contents(*asked, provider=VERTEX)[1:]
    assert called["parts"][0] == {"functionCall": call}
    assert responded["parts"][1] == {"functionResponse": {"name": "time", "response": {"output": "noon"}}}


def test_an_id_that_is_used_again_means_the_latest_call() -> None:
    again = {**CALL, "function": {"name": "time", "arguments": "{}"}}
    turns = contents(
        USER, answered(tool_calls=[CALL]), result("call_1", "1"), answered(tool_calls=[again]), result("call_1", "2")
    )
    assert [turn["parts"][0]["functionResponse"]["name"] for turn in turns[2::2]] == ["weather", "time"]


@pytest.mark.parametrize(
    ("content", "response"),
    [("[1, 2]", {"output": "[1, 2]"}), ("", {"output": ""}), ("{broken", {"output": "{broken"}), ('{"a":1}', {"a": 1})],
)
def test_a_result_is_an_object(content: str, response: Any) -> None:
    turn = contents(USER, answered(tool_calls=[CALL]), result("call_1", content))[-1]
    assert turn["parts"][0]["functionResponse"]["response"] == response


def test_arguments_are_an_object() -> None:
    odd = {**CALL, "function": {"name": "weather", "arguments": "[1]"}}
    broken = {**CALL, "function": {"name": "weather", "arguments": "{bro"}}
    parts = contents(USER, answered(tool_calls=[odd, broken]))[1]["parts"]
    assert [part["functionCall"]["args"] for part in parts] == [{"arguments": [1]}, {"arguments": "{bro"}]


def test_media_in_a_result_go_where_the_model_looks_for_them() -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    asked = (USER, answered(tool_calls=[CALL]), result("call_1", [{"type": "text", "text": "See"}, picture]))
    inline = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    named = {"id": "call_1", "name": "weather", "response": {"output": "See"}}
    assert contents(*asked, model=GEMINI_3)[-1]["parts"] == [{"functionResponse": {**named, "parts": [inline]}}]
    assert contents(*asked, model=GEMINI_25)[-1]["parts"] == [{"functionResponse": named}, inline]


@pytest.mark.parametrize(
    ("part", "built"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/webp;base64,{PNG}", "detail": "low"}},
            {
                "inlineData": {"mimeType": "image/webp", "data": PNG},
                "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
            },
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mpeg", "data": "QUJD"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.md", "file_data": "data:text/markdown;base64,QUJD"}},
            {"inlineData": {"mimeType": "text/plain", "data": "QUJD"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://youtu.be/x"}},
            {"fileData": {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"}},
        ),
        (
            {"type": "file", "file": {"file_data": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
        ),
        (
            {"type": "file", "file": {"file_id": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "gs://bucket/photo.png"}},
            {"fileData": {"fileUri": "gs://bucket/photo.png", "mimeType": "image/png"}},
        ),
        (
            {"type": "file", "file": {"file_id": "gs://bucket/report"}},
            {"fileData": {"fileUri": "gs://bucket/report", "mimeType": "application/pdf"}},
        ),
    ],
)
def test_a_part_of_each_kind(part: Any, built: Any) -> None:
    assert contents({"role": "user", "content": [part]}, model=GEMINI_3)[0]["parts"] == [built]


def test_a_resolution_of_single_images_is_known_since_gemini_3() -> None:
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "high"}}
    assert "mediaResolution" not in contents({"role": "user", "content": [part]})[0]["parts"][0]
    auto = {"type": "image_url", "image_url": {**part["image_url"], "detail": "auto"}}  # type: ignore[dict-item]
    assert "mediaResolution" not in contents({"role": "user", "content": [auto]}, model=GEMINI_3)[0]["parts"][0]


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        contents({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x/y.png"}}]})


# Signatures.


def test_each_signature_goes_back_to_its_part() -> None:
    message = answered(
        content="I look.",
        reasoning="Plan",
        reasoning_details=[
            {"type": "reasoning.text", "text": "Pl", "format": "google-gemini-v1", "index": 0},
            {"type": "reasoning.text", "text": "an", "signature": "s-th", "format": "google-gemini-v1", "index": 0},
            encrypted("s-text", index=1),
            encrypted("s-call", "call_2", index=2),
        ],
        tool_calls=[CALL, OTHER_CALL],
    )
    assert contents(USER, message, model=GEMINI_3)[1]["parts"] == [
        {"text": "Plan", "thought": True, "thoughtSignature": "s-th"},
        {"text": "I look.", "thoughtSignature": "s-text"},
        {"functionCall": {"id": "call_1", "name": "weather", "args": {"city": "Oslo"}}},
        {"functionCall": {"id": "call_2", "name": "time", "args": {}}, "thoughtSignature": "s-call"},
    ]


def test_of_two_signatures_of_text_none_is_lost() -> None:
    message = answered(content="Done.", reasoning_details=[encrypted("first"), encrypted("last", index=1)])
    assert contents(USER, message, model=GEMINI_3)[1]["parts"] == [
        {"text": "", "thoughtSignature": "first"},
        {"text": "Done.", "thoughtSignature": "last"},
    ]


def test_a_signature_without_a_text_belongs_to_the_call_whose_id_was_lost() -> None:
    message = answered(tool_calls=[CALL], reasoning_details=[encrypted("sig", id=None)])
    (part,) = contents(USER, message, model=GEMINI_3)[1]["parts"]
    assert part["thoughtSignature"] == "sig"


@pytest.mark.parametrize(
    ("model", "signatures"),
    [
        (GEMINI_3, ["skip_thought_signature_validator", None]),
        ("gemini-flash-latest", ["skip_thought_signature_validator", None]),
        (GEMINI_25, [None, None]),
    ],
)
def test_calls_of_another_model_are_marked_so_for_gemini_3(model: str, signatures: list[str | None]) -> None:
    foreign = {**encrypted("redacted", "call_1"), "format": "anthropic-claude-v1"}
    message = answered(reasoning="Hm", reasoning_details=[foreign], tool_calls=[CALL, OTHER_CALL])
    parts = contents(USER, message, model=model)[1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == signatures


def test_models_that_do_not_think_get_no_thoughts_back() -> None:
    detail = {"type": "reasoning.text", "text": "Plan", "format": "google-gemini-v1", "index": 0}
    message = answered(content="Hi", reasoning_details=[detail, encrypted("sig")])
    assert contents(USER, message, model=GEMINI_2)[1]["parts"] == [{"text": "Hi"}]


def test_images_go_back_with_their_signatures() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    message = answered(
        content="Here",
        images=[image, {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}],
        reasoning_details=[encrypted("s-0", "image_0")],
    )
    assert contents(USER, message, model="gemini-3-pro-image-preview")[1]["parts"] == [
        {"text": "Here"},
        {"inlineData": {"mimeType": "image/png", "data": PNG}, "thoughtSignature": "s-0"},
    ]


def replayed(name: str, *, merged: bool) -> dict[str, Any]:
    """The message that a client keeps of a recorded answer: folded, or with a stream's fragments as they came."""
    exchange = find(name)
    adapter = build_adapter(STUDIO)
    if exchange.streamed:
        decoder = adapter.stream_decoder()
        deltas = decoder.feed(exchange.body) + decoder.finish()
        (choice,) = completion_of(deltas).choices
        if not merged:
            details = [detail for delta in deltas for detail in delta.reasoning_details or ()]
            return {**choice.message, "reasoning_details": details}
    else:
        (choice,) = adapter.parse_completion(exchange.body).choices
    return dict(choice.message)


def recorded_contents(name: str) -> Any:
    """Without what the recording client chose for itself: ids of its own, base64 of the kind for addresses,
    snake case, and an empty text.
    """
    body = json.dumps((find(name).request or {})["body"]["contents"])
    for theirs, ours in (("function_call", "functionCall"), ("function_response", "functionResponse")):
        body = body.replace(f'"{theirs}"', f'"{ours}"')
    turns = json.loads(body)
    for turn in turns:
        turn["parts"] = [part for part in turn["parts"] if part != {"text": ""}]
        for part in turn["parts"]:
            if "thoughtSignature" in part:
                part["thoughtSignature"] = part["thoughtSignature"].replace("-", "+").replace("_", "/")
    return without_ids(turns)


def without_ids(turns: Any) -> Any:
    for turn in turns:
        for part in turn["parts"]:
            for member in ("functionCall", "functionResponse"):
                part.get(member, {}).pop("id", None)
    return turns


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize(
    ("name", "model", "prompt", "content"),
    [
        (
            "test_google_streaming_tool_call_thought_signature",
            "gemini-3-pro-preview",
            "What is the capital of the user country? Call the tool",
            '{"return_value": "Mexico"}',
        ),
        ("test_tools_with_gemini_3_thought_signatures", "gemini-3-flash-preview", "What is 5 times 3?", "15"),
    ],
)
def test_the_second_turn_is_the_recorded_one(name: str, model: str, prompt: str, content: str, merged: bool) -> None:
    message = replayed(f"google/{name}[0]", merged=merged)
    call_id = message["tool_calls"][0]["id"]
    turns = contents({"role": "user", "content": prompt}, message, result(call_id, content), model=model)
    assert turns[1]["parts"][0]["functionCall"]["id"] == turns[2]["parts"][0]["functionResponse"]["id"] == call_id
    assert without_ids(turns) == recorded_contents(f"google/{name}[1]")


def test_a_history_from_openrouter_keeps_its_signature() -> None:
    asked = (find("openrouter/gemini_multi_tool_streaming[1]").request or {})["body"]["messages"]
    parts = contents(*asked, model="gemini-3.1-flash-lite-preview")[1]["parts"]
    assert parts[0]["thoughtSignature"].startswith("EjQKMgEMOdbHkJxR6ymA")
    assert ["thoughtSignature" in part for part in parts] == [True, False]


@pytest.mark.parametrize("merged", [True, False])
def test_thoughts_calls_and_texts_come_back_as_they_were(merged: bool) -> None:
    message = replayed("google/google_tool_calls[0]", merged=merged)
    assert contents(USER, message, model=GEMINI_3)[1]["parts"] == [
        {"text": "**Planning**\nTwo calls.\n", "thought": True, "thoughtSignature": "c2lnLXRob3VnaHQ="},
        {"text": "More.\n", "thought": True},
        {"text": "Let me look. "},
        {
            "functionCall": {"id": "lpndqlku", "name": "weather", "args": {"city": "Paris"}},
            "thoughtSignature": "c2lnLWNhbGw=",
        },
        {"functionCall": {"id": "m6rogicj", "name": "weather", "args": {"city": "Tokyo"}}},
    ]


def test_images_come_back_as_they_were() -> None:
    parts = contents(USER, replayed("google/google_images[0]", merged=False), model=GEMINI_3)[1]["parts"]
    assert [(next(iter(part)), part.get("thoughtSignature")) for part in parts] == [
        ("text", None),
        ("text", "c2lnLXRleHQ="),
        ("inlineData", "c2lnLWltYWdlLTA="),
        ("inlineData", "c2lnLWltYWdlLTE="),
    ]


# Parameters.


def test_text_alone_is_asked_for_of_who_may_draw() -> None:
    assert config("gemini-2.5-flash-image", modalities=["text"]) == {"responseModalities": ["TEXT"]}
    assert "generationConfig" not in sent(request(parameters={"modalities": ["text"]}), "gemma-3-27b-it")


def test_parameters_by_googles_names() -> None:
    assert config(
        GEMINI_2,
        max_tokens=64,
        temperature=1.5,
        top_p=0.9,
        top_k=40,
        seed=7,
        stop=["a", "b"],
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        logprobs=True,
        top_logprobs=3,
        modalities=["image", "text"],
        image_config={"aspect_ratio": "16:9", "image_size": "2K", "unknown": 1},
        audio={"voice": "Kore", "format": "pcm16"},
        min_p=0.1,
        repetition_penalty=1.1,
        logit_bias={"1": 1},
    ) == {
        "maxOutputTokens": 64,
        "temperature": 1.5,
        "topP": 0.9,
        "topK": 40,
        "seed": 7,
        "stopSequences": ["a", "b"],
        "presencePenalty": 0.5,
        "frequencyPenalty": -0.5,
        "responseLogprobs": True,
        "logprobs": 3,
        "responseModalities": ["IMAGE", "TEXT"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }


def test_what_an_endpoint_does_not_list_is_left_out() -> None:
    asked = request(parameters={"temperature": 1, "top_k": 5})
    built: Any = build_adapter(STUDIO).build_request(asked, endpoint(GEMINI_25, "temperature"), "k").body
    assert built["generationConfig"] == {"temperature": 1}


def test_values_that_google_would_refuse() -> None:
    assert config(top_k=0) == {}
    assert 0 <= config(seed=2**40 + 5)["seed"] < 2**31
    assert config(seed=-5) == {"seed": -5}
    assert len(config(stop=list("abcdef"))["stopSequences"]) == 5
    assert "candidateCount" not in config(n=3)


@pytest.mark.parametrize(
    ("model", "studio", "vertex"),
    [("gemini-2.0-flash", True, True), ("gemini-2.5-pro", False, True), ("gemini-3.8-flash", False, False)],
)
def test_penalties_go_only_where_they_are_taken(model: str, studio: bool, vertex: bool) -> None:
    assert ("presencePenalty" in config(model, STUDIO, presence_penalty=1)) == studio
    assert ("presencePenalty" in config(model, VERTEX, presence_penalty=1)) == vertex


def test_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"const": 1}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert config(response_format={"type": "json_object"}) == {"responseMimeType": "application/json"}
    assert config(response_format={"type": "text"}) == {}
    assert config(response_format=wanted) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {"a": {"enum": [1]}}},
    }


@pytest.mark.parametrize(
    ("choice", "built"),
    [
        ("none", {"mode": "NONE"}),
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "weather"}}, {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_tools(choice: Any, built: Any) -> None:
    bare = {"type": "function", "function": {"name": "time", "parameters": {}}}
    body = sent(request(parameters={"tools": [WEATHER, bare], "tool_choice": choice, "parallel_tool_calls": True}))
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "Now", "parametersJsonSchema": {"type": "object"}},
                {"name": "time"},
            ]
        }
    ]
    assert body["toolConfig"] == {"functionCallingConfig": built}


def test_a_choice_without_tools_is_left_out() -> None:
    assert sent(request(parameters={"tool_choice": "auto"})).keys() == {"contents"}
    assert "toolConfig" not in sent(request(parameters={"tools": [WEATHER]}))


def test_googles_own_search() -> None:
    assert sent(request(parameters={"web_search_options": {}}))["tools"] == [{"googleSearch": {}}]
    both = sent(request(parameters={"web_search_options": {}, "tools": [WEATHER]}))
    assert [list(tool) for tool in both["tools"]] == [["functionDeclarations"]]


def test_service_tiers() -> None:
    asked = request(parameters={"service_tier": "flex"})
    assert sent(asked)["serviceTier"] == "flex"
    assert "serviceTier" not in sent(request(parameters={"service_tier": "auto"}))
    assert "serviceTier" not in sent(asked, provider=VERTEX)
    headers = build_adapter(VERTEX).build_request(asked, endpoint(), "ya29.x").headers
    assert headers["X-Vertex-AI-LLM-Shared-Request-Type"] == "flex"
    assert (
        "X-Vertex-AI-LLM-Shared-Request-Type" not in build_adapter(STUDIO).build_request(asked, endpoint(), "k").headers
    )


@pytest.mark.parametrize(
    ("model", "reasoning", "built"),
    [
        ("gemini-2.5-pro", {"effort": "none"}, {"thinkingBudget": 128}),
        ("gemini-2.5-flash", {"effort": "none"}, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", {"enabled": False}, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", {"max_tokens": 90_000}, {"thinkingBudget": 24_576, "includeThoughts": True}),
        ("gemini-2.5-flash-lite", {"max_tokens": 100}, {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-2.5-pro", {"effort": "low", "exclude": True}, {"thinkingBudget": 2000}),
        ("gemini-2.5-pro", {}, {"includeThoughts": True}),
        ("gemini-2.5-flash", {"exclude": True}, None),
        ("gemini-3-flash-preview", {"effort": "xhigh"}, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3-flash-preview", {"effort": "none"}, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.6-flash", {"effort": "minimal"}, {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3.8-flash", {"effort": "minimal"}, {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.9-flash-lite", {"effort": "minimal"}, {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", {"effort": "none"}, {"thinkingLevel": "LOW"}),
        ("gemini-3.1-pro-preview", {"effort": "medium"}, {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-3-pro-preview", {"effort": "medium"}, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3-flash-preview", {"max_tokens": 2500}, {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3-pro-image-preview", {"effort": "high"}, {"includeThoughts": True}),
        ("gemini-3.1-flash-image", {"effort": "low"}, {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-flash-latest", {"effort": "none"}, {"thinkingLevel": "LOW"}),
        ("gemini-2.0-flash", {"effort": "high"}, None),
        ("gemini-2.5-flash-image", {"effort": "high"}, None),
        ("gemini-2.5-flash-preview-tts", {"effort": "high"}, None),
        ("gemma-3-27b-it", {"effort": "high"}, None),
        ("gemma-4-26b-a4b-it", {"effort": "high"}, {"includeThoughts": True}),
    ],
)
def test_thinking(model: str, reasoning: dict[str, Any], built: Any) -> None:
    assert config(model, max_tokens=10_000, reasoning=reasoning).get("thinkingConfig") == built


def test_nothing_is_asked_of_thoughts_when_the_client_says_nothing() -> None:
    assert "thinkingConfig" not in config(GEMINI_3)


@pytest.mark.parametrize("name", ["publishers/google/models/gemini-2.5-pro", "GEMINI-2.5-PRO-001"])
def test_a_model_is_known_by_its_name(name: str) -> None:
    model = parse_model(name)
    assert model.generation == (2, 5)
    assert model.budget is not None
    assert not model.budget.optional


# Schemas.


@pytest.mark.parametrize(
    ("schema", "built"),
    [
        ({"const": "a"}, {"enum": ["a"]}),
        ({"type": "string", "enum": ["a", None]}, {"type": ["string", "null"], "enum": ["a"]}),
        ({"const": True}, {"type": "boolean"}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        (
            {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
            {"type": "integer", "minimum": 1, "maximum": 8},
        ),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "number"}),
        (
            {"$schema": "x", "type": "string", "pattern": "a+", "default": "a", "format": "date"},
            {"type": "string", "format": "date"},
        ),
        ({"allOf": [{"$ref": "#/definitions/A"}]}, {"$ref": "#/$defs/A"}),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}], "properties": {"b": {}}, "required": ["b"]},
            {"properties": {"a": {}, "b": {}}, "required": ["b", "a"]},
        ),
        ({"$ref": "#/$defs/A", "description": "an A"}, {"description": "an A", "anyOf": [{"$ref": "#/$defs/A"}]}),
        ({"$ref": "#/$defs/A", "title": "A"}, {"$ref": "#/$defs/A"}),
        ({"items": [{"const": 1}, True]}, {"items": {"anyOf": [{"enum": [1]}, True]}}),
        ({"additionalProperties": {"const": 1}}, {"additionalProperties": {"enum": [1]}}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        (
            {"oneOf": [{"const": 1}], "prefixItems": [{"const": 2}]},
            {"oneOf": [{"enum": [1]}], "prefixItems": [{"enum": [2]}]},
        ),
        # A property may have the name of a keyword.
        ({"properties": {"const": {"type": "string"}}}, {"properties": {"const": {"type": "string"}}}),
    ],
)
def test_a_schema_in_googles_words(schema: Any, built: Any) -> None:
    assert build_schema(schema) == built


def test_a_recursive_schema_stays_as_it_is() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    assert build_schema(schema) == schema


def test_a_schema_that_is_too_deep_is_cut_off() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"items": deep}
    assert build_schema(deep)["items"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$ref", "type", "enum", "const", "items", "allOf", "anyOf", "properties", "$defs", "required"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["type", "enum", "items", "allOf", "properties", "$ref"]), anything))
def test_any_schema_can_be_cleaned(schema: Any) -> None:
    orjson.dumps(build_schema(schema))


# Answers.


def test_an_answer_may_be_an_array() -> None:
    body = orjson.dumps([event({"text": "Hel"}), event({"text": "lo"}, finishReason="STOP")])
    completion = build_adapter(STUDIO).parse_completion(body)
    assert completion.choices[0].message["content"] == "Hello"
    assert completion.upstream_id == "r"


def test_a_whole_answer_where_a_stream_was_asked_for() -> None:
    decoder = build_adapter(STUDIO).stream_decoder()
    deltas = decoder.feed(orjson.dumps(event({"text": "Hello"}, finishReason="STOP"))) + decoder.finish()
    assert completion_of(deltas).choices[0].message["content"] == "Hello"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b"{}", b"[1]", b'"x"', b"<html>", b'{"candidates": [7]}', b'{"candidates": [{}]}'),
        orjson.dumps([event({"text": "Hel"})]),
        orjson.dumps(event({"text": ""})),
        orjson.dumps(event({"text": 5}, finishReason="STOP")),
    ],
)
def test_what_is_no_answer_is_told_so(body: bytes) -> None:
    with pytest.raises(UpstreamError) as raised:
        build_adapter(STUDIO).parse_completion(body)
    assert raised.value.retryable


def test_a_whole_answer_may_not_say_why_it_ended() -> None:
    (choice,) = build_adapter(STUDIO).parse_completion(orjson.dumps(event({"text": "Hello"}))).choices
    assert (choice.message["content"], choice.finish_reason, choice.native_finish_reason) == ("Hello", "stop", None)


def test_signatures_of_what_ran_at_googles_own_go_back_on_no_other_part() -> None:
    ran = {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "sig-code"}
    searched = {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "t1"}, "thoughtSignature": "sig-search"}
    said = {"text": "It is 1.", "thoughtSignature": "sig-text"}
    body = orjson.dumps(event(ran, searched, said, finishReason="STOP"))
    message = build_adapter(STUDIO).parse_completion(body).choices[0].message
    assert [each["data"] for each in message["reasoning_details"]] == ["sig-code", "sig-search", "sig-text"]
    answer = contents(USER, message, USER, model=GEMINI_3)[1]
    assert answer == {"role": "model", "parts": [{"text": message["content"], "thoughtSignature": "sig-text"}]}


def test_an_error_with_status_200() -> None:
    error = {"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED", "details": []}}
    for body in (error, [error]):
        with pytest.raises(UpstreamError) as raised:
            build_adapter(STUDIO).parse_completion(orjson.dumps(body))
        assert raised.value.error_type == "rate_limit_exceeded"
    decoder = build_adapter(STUDIO).stream_decoder()
    decoder.feed(orjson.dumps([error]))
    assert failed(decoder.finish()).error_type == "rate_limit_exceeded"


def test_a_failed_answer_still_tells_its_usage() -> None:
    usage = {"promptTokenCount": 5, "totalTokenCount": 5}
    deltas = streamed({**event(finishReason="MALFORMED_FUNCTION_CALL"), "usageMetadata": usage})
    assert deltas[-2].usage is not None
    assert deltas[-2].usage.prompt_tokens == 5
    assert failed(deltas).provider_code == "MALFORMED_FUNCTION_CALL"


def test_a_refused_prompt_is_the_clients_to_mend() -> None:
    error = failed(streamed({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r"}))
    assert (error.error_type, error.retryable, error.status) == ("content_policy_violation", False, 400)
    assert error.provider_code == "SAFETY"
    assert "SAFETY" in error.message


def test_feedback_that_refuses_nothing() -> None:
    first = {"promptFeedback": {"safetyRatings": []}, "usageMetadata": {"promptTokenCount": 1}}
    completion = completion_of(streamed(first, event({"text": "Hi"}, finishReason="STOP")))
    assert completion.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"serviceTier": "standard"}, "default"),
        ({"serviceTier": "priority"}, "priority"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, None),
    ],
)
def test_the_service_tier_is_told(told: Any, tier: str | None) -> None:
    deltas = streamed({**event({"text": "Hi"}), "usageMetadata": told}, event(finishReason="STOP"))
    assert [delta.service_tier for delta in deltas] == [tier, None]


def test_sound_and_images_are_counted_where_they_are_priced_apart() -> None:
    told = {
        "promptTokenCount": 1000,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 100},
            {"modality": "AUDIO", "tokenCount": 400},
            {"modality": "IMAGE", "tokenCount": 300},
            {"modality": "DOCUMENT", "tokenCount": 200},
        ],
        "cachedContentTokenCount": 350,
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 300}, {"modality": "TEXT", "tokenCount": 50}],
        "candidatesTokenCount": 5,
    }
    deltas = streamed({**event({"text": "Hi"}, finishReason="STOP"), "usageMetadata": told})
    expected = Usage(
        1000, 5, cached_tokens=350, prompt_audio_tokens=400, cached_audio_tokens=300, prompt_image_tokens=500
    )
    assert [delta.usage for delta in deltas if delta.usage] == [expected]


def test_probabilities_of_tokens() -> None:
    chosen = {"token": "Hé", "tokenId": 1, "logProbability": -0.25}
    result = {
        "chosenCandidates": [chosen, {"token": "!"}],
        "topCandidates": [{"candidates": [chosen, {"token": "Ho", "logProbability": -2}]}, {}],
    }
    (choice,) = completion_of(streamed(event({"text": "Hé!"}, logprobsResult=result, finishReason="STOP"))).choices
    hey = {"token": "Hé", "logprob": -0.25, "bytes": [72, 195, 169]}
    assert choice.logprobs == {
        "content": [
            {**hey, "top_logprobs": [hey, {"token": "Ho", "logprob": -2, "bytes": [72, 111]}]},
            {"token": "!", "logprob": 0.0, "bytes": [33], "top_logprobs": []},
        ]
    }


def citations_in(name: str) -> list[Any]:
    exchange = find(name)
    adapter = build_adapter(STUDIO)
    if exchange.streamed:
        decoder = adapter.stream_decoder()
        message = completion_of(decoder.feed(exchange.body) + decoder.finish()).choices[0].message
    else:
        message = adapter.parse_completion(exchange.body).choices[0].message
    assert all(each["type"] == "url_citation" for each in message["annotations"])
    return [(each["url_citation"], message["content"]) for each in message["annotations"]]


def test_where_a_stream_cites() -> None:
    found = citations_in("google/google_grounding[0]")
    assert [citation["title"] for citation, _ in found] == ["uefa.com", "wikipedia.org", "example.org"]
    assert [(citation["start_index"], citation["end_index"]) for citation, _ in found] == [(0, 36), (0, 36), (0, 0)]
    assert found[0][0]["content"].startswith("Spain won")


@pytest.mark.parametrize(("model", "searches"), [("gemini-3.5-flash", 2), ("gemini-2.5-pro", 1), (None, 2)])
@pytest.mark.parametrize("streamed", [False, True])
def test_searches_are_counted_as_they_are_charged(model: str | None, searches: int, streamed: bool) -> None:
    """For each query of Gemini 3, for each prompt of a model before it; empty queries cost nothing."""
    metadata = {"webSearchQueries": ["who won", "", "who won", "by how much"]}
    content = {"parts": [{"text": "Spain."}]}
    answer = {
        "candidates": [{"content": content, "finishReason": "STOP", "groundingMetadata": metadata}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
        "responseId": "r",
        **({"modelVersion": model} if model else {}),
    }
    adapter = build_adapter(STUDIO)
    if streamed:
        # A stream tells the queries more than once.
        begun = {**answer, "candidates": [{"content": content, "groundingMetadata": metadata}]}
        events = b"".join(b"data: %b\r\n\r\n" % orjson.dumps(each) for each in (begun, answer))
        decoder = adapter.stream_decoder()
        usage = completion_of(decoder.feed(events) + decoder.finish()).usage
    else:
        usage = adapter.parse_completion(orjson.dumps(answer)).usage
    assert usage is not None
    assert (usage.web_search_requests, usage.prompt_tokens) == (searches, 5)


@pytest.mark.parametrize("queries", [None, "who won", [None, 7], []])
def test_what_are_no_queries_are_no_searches(queries: Any) -> None:
    answer = {
        "candidates": [
            {
                "content": {"parts": [{"text": "Spain."}]},
                "finishReason": "STOP",
                "groundingMetadata": {"webSearchQueries": queries},
            }
        ],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2},
    }
    usage = build_adapter(STUDIO).parse_completion(orjson.dumps(answer)).usage
    assert usage is not None
    assert usage.web_search_requests == 0


def test_bytes_are_counted_as_characters_where_the_text_is_at_hand() -> None:
    ((citation, content),) = [
        each for each in citations_in("google/google_whole_grounding[0]") if each[0]["title"] == "wikipedia.org"
    ]
    assert content[citation["start_index"] : citation["end_index"]] == "Süß."
    ((elsewhere, _),) = citations_in("google/google_grounding[1]")
    assert (elsewhere["start_index"], elsewhere["end_index"]) == (0, 0)


def test_speech_is_given_as_it_came() -> None:
    exchange = find("google/google_speech[0]")
    (choice,) = build_adapter(STUDIO).parse_completion(exchange.body).choices
    assert choice.message["audio"] == {"data": "AAD//wAA"}


@pytest.mark.parametrize(
    "path", ["", "$", "a", "$.", "$..a", "$[x]", "$.a[99]", "$.a[0][5]", "$" + ".a" * 65, "$.a.b[", "$[0]", "$['a"]
)
def test_a_place_that_there_cannot_be(path: str) -> None:
    call = {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": path, "numberValue": 1}], "willContinue": True}}
    assert failed(streamed(event(call))).error_type == "provider_unavailable"


def test_names_that_need_quotes() -> None:
    arguments = Arguments()
    for path, value in (("$['a b']['it\\'s']", 1), ('$["x.y"][0]', 2), ("$.ü", 3)):
        arguments.add({"jsonPath": path, "numberValue": value})
    assert orjson.loads(arguments.finish()) == {"a b": {"it's": 1}, "x.y": [2], "ü": 3}


def test_arguments_of_no_call() -> None:
    stray = {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "numberValue": 1}]}}
    assert failed(streamed(event(stray))).retryable


# Errors.


def error_of(status: int, error: Any, provider: str = STUDIO, **headers: str) -> UpstreamError:
    return build_adapter(provider).parse_error(status, headers, orjson.dumps({"error": error}))


def test_what_the_header_says_goes_before_what_the_body_says() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}
    limited = {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED", "details": [info]}
    assert error_of(429, limited).retry_after_s == 35
    assert error_of(429, limited, **{"retry-after": "7"}).retry_after_s == 7
    assert error_of(429, {**limited, "details": [{**info, "retryDelay": "junk"}]}).retry_after_s is None


@pytest.mark.parametrize("metrics", [["input_token_count", "requests"], ["requests"], []])
def test_a_quota_of_requests_is_no_matter_of_length(metrics: list[str]) -> None:
    violations = [{"quotaMetric": f"g.com/{metric}", "quotaValue": "1000"} for metric in metrics]
    limited = {"message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [{"violations": violations}]}
    assert error_of(429, limited).error_type == "rate_limit_exceeded"


def test_a_status_that_is_not_ours_to_explain() -> None:
    error = error_of(499, {"code": 499, "message": "The operation was cancelled.", "status": "CANCELLED"})
    assert (error.error_type, error.retryable, error.upstream_status) == ("timeout", True, 499)
    internal = error_of(500, {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"})
    assert (internal.error_type, internal.provider_code) == ("provider_unavailable", "INTERNAL")


@pytest.mark.parametrize(
    "body", [b"", b"<html>502</html>", b"[]", b"{}", b'{"error": "plain"}', b'{"error": {"details": 5}}']
)
def test_errors_in_other_forms(body: bytes) -> None:
    error = build_adapter(VERTEX).parse_error(502, {}, body)
    assert (error.error_type, error.upstream_status) == ("provider_unavailable", 502)


members = st.sampled_from(
    [
        *("candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "name", "args"),
        *("partialArgs", "jsonPath", "stringValue", "inlineData", "mimeType", "data", "finishReason", "responseId"),
        *("usageMetadata", "promptTokenCount", "promptTokensDetails", "groundingMetadata", "groundingChunks"),
        *("promptFeedback", "blockReason", "citationMetadata", "logprobsResult", "serviceTier", "executableCode"),
        *("code", "error"),
    ]
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(members, inner, max_size=4),
    max_leaves=16,
)
candidates = st.fixed_dictionaries({"candidates": st.lists(st.dictionaries(members, junk, max_size=4), max_size=2)})


@given(st.lists(st.dictionaries(members, junk, max_size=4) | candidates, max_size=4))
def test_junk_ends_in_an_answer_or_an_error(events: list[Any]) -> None:
    deltas = streamed(*events)
    assert deltas[-1].error is not None or any(delta.finish_reason for delta in deltas)
    with contextlib.suppress(UpstreamError):
        assert isinstance(build_adapter(STUDIO).parse_completion(orjson.dumps(events)), Completion)
