"""The completions function as it is deployed, streamed through with the SDK that customers have."""

import base64
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import psutil
import pytest
from openai import APIConnectionError, APIError, APIStatusError, AuthenticationError, Stream

from tests.e2e.asking import chat, error_of, price, user
from tests.e2e.deployment import Deployment
from tests.e2e.run import MARK
from tests.e2e.streaming import StreamingLambda, streaming_lambda
from tests.pdfs import file_part, pdf
from tests.runtime_api.front import LARGEST_EVENT


@pytest.fixture(scope="module")
def deployed(parts: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamingLambda]:
    with streaming_lambda(parts, tmp_path_factory.mktemp("streaming")) as found:
        yield found
        # As in every log of ours.
        assert MARK not in found.function.log.read_text()


@pytest.fixture
def fn(deployed: StreamingLambda) -> Iterator[StreamingLambda]:
    """With nothing held, everybody idle and nothing reported that the test did not ask for."""
    deployed.reported()
    yield deployed
    deployed.provider.let()
    deployed.usage.open()


def begin(fn: StreamingLambda, model: str = "demo/chat") -> Stream[Any]:
    """A stream whose first word has passed the provider, and nothing after it."""
    fn.provider.hold()
    # The first chunk has only the role.
    fn.provider.let(2)
    return fn.openai.chat.completions.create(model=model, messages=user(), stream=True)


def next_text(stream: Stream[Any]) -> str:
    """Of the next chunk that has any."""
    return next(text for chunk in stream if chunk.choices and (text := chunk.choices[0].delta.content))


def test_it_runs_from_its_folder_and_its_layers(deployed: StreamingLambda) -> None:
    [environment] = [*deployed.front.environments] or [deployed.front.warm_up()]
    assert environment.process is not None
    mapped = [Path(each.path) for each in psutil.Process(environment.process.pid).memory_maps()]
    wheels = [path for path in mapped if path.name.startswith(("_pydantic_core", "orjson"))]
    layers = deployed.function.layers.with_name("layers")
    assert len(wheels) == 2
    assert all(path.is_relative_to(layers / "deps") for path in wheels)


def test_its_layers_are_small_enough_and_carry_nothing_along(deployed: StreamingLambda) -> None:
    layers = deployed.function.layers.with_name("layers")
    files = [path for path in layers.rglob("*") if path.is_file()]
    # Of what Lambda unpacks: 250 MB, the function included.
    assert sum(path.stat().st_size for path in files) < 150_000_000
    assert [path for path in files if path.suffix == ".pth" or "tests" in path.parts] == []


def test_each_chunk_arrives_before_the_provider_sends_the_next(fn: StreamingLambda) -> None:
    with begin(fn) as stream:
        words = [next_text(stream)]
        for count in range(3, 10):
            assert fn.provider.passed == count - 1
            fn.provider.let(1)
            words.append(next_text(stream))
        fn.provider.let()
        rest = list(stream)

    assert words[:2] == ["You", " said:"]
    assert all(words)
    last = rest[-1]
    assert last.usage is not None
    assert round(last.usage.cost * 10**9) == price(last.usage) > 0
    assert fn.reported() == [last.id]


def test_an_answer_in_one_piece(fn: StreamingLambda) -> None:
    answer = fn.openai.chat.completions.with_raw_response.create(model="demo/chat", messages=user())

    assert MARK in (answer.parse().choices[0].message.content or "")
    assert answer.headers["content-type"] == "application/json"
    assert fn.reported() == [answer.headers["x-generation-id"]]


def test_a_pdf_is_read_by_a_process_that_finds_the_layers(fn: StreamingLambda) -> None:
    asked: Any = [{"role": "user", "content": [file_part(pdf(f"The answer is {MARK}"))]}]
    answer: Any = fn.openai.chat.completions.create(model="demo/chat", messages=asked)

    (annotation,) = answer.choices[0].message.annotations
    assert annotation.file["content"][1]["text"] == f"The answer is {MARK}"
    assert fn.reported() == [answer.id]


def test_sound_goes_in_and_out_as_it_is(fn: StreamingLambda) -> None:
    with fn.openai.audio.speech.with_streaming_response.create(
        model="demo/speak", voice="alloy", input=f"Hello {MARK}", response_format="wav"
    ) as answer:
        sound = answer.read()
        generation_id = answer.headers["x-generation-id"]
    assert (sound[:4], answer.headers["content-type"]) == (b"RIFF", "audio/wav")
    seconds = (len(sound) - 44) / 48_000
    assert int.from_bytes(sound[40:44], "little") == len(sound) - 44
    heard = fn.openai.audio.transcriptions.create(model="demo/transcribe", file=("a.wav", sound), prompt=MARK)
    assert f"a recording of {seconds} seconds (wav) with the fingerprint {crc32(sound):08x}" in heard.text
    reported = fn.reported()
    assert (len(reported), reported[0]) == (2, generation_id)


def test_an_image_may_be_larger_than_any_whole_answer_of_lambdas(fn: StreamingLambda) -> None:
    answer = fn.openai.images.with_raw_response.generate(
        model="demo/draw", prompt=f"A panda {MARK}", size="2560x2560", quality="high"
    )

    assert len(answer.content) > 6 * 1024 * 1024
    [image] = answer.parse().data or ()
    assert base64.b64decode(image.b64_json or "").endswith(b"IEND\xaeB`\x82")
    assert fn.reported() == [answer.headers["x-generation-id"]]


def test_an_image_is_shown_while_it_is_drawn(fn: StreamingLambda) -> None:
    fn.provider.hold()
    fn.provider.let(1)
    with fn.openai.images.generate(model="demo/draw", prompt="A panda", stream=True, partial_images=2) as events:
        assert next(iter(events)).type == "image_generation.partial_image"
        assert fn.provider.passed == 1
        fn.provider.let()
        kinds = [event.type for event in events]
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    assert len(fn.reported()) == 1


def test_usage_is_reported_after_the_last_byte_and_nobody_waits_for_it(fn: StreamingLambda) -> None:
    fn.usage.shut()
    with fn.openai.chat.completions.create(model="demo/chat", messages=user(), stream=True) as stream:
        [*_, last] = stream

    assert last.usage is not None
    invocation = fn.front.invocations[-1]
    assert invocation.steps == ["taken", "head", "ended"]
    fn.usage.open()
    # It is part of the invocation all the same.
    assert fn.reported() == [last.id]
    assert invocation.steps == ["taken", "head", "ended", "idle"]


def test_the_same_process_serves_one_request_after_another(fn: StreamingLambda) -> None:
    for _ in range(3):
        fn.openai.chat.completions.create(model="demo/chat", messages=user())
        fn.front.wait_until_idle()
    assert len({invocation.environment for invocation in fn.front.invocations[-3:]}) == 1


def test_an_unknown_key(fn: StreamingLambda) -> None:
    with pytest.raises(AuthenticationError) as caught:
        fn.openai.with_options(api_key=f"sk-or-v1-{'0' * 64}").chat.completions.create(
            model="demo/chat", messages=user(), stream=True
        )
    assert caught.value.response.headers["content-type"] == "application/json"
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == 401


@pytest.mark.parametrize("streamed", [False, True])
def test_no_credit(fn: StreamingLambda, streamed: bool) -> None:
    with pytest.raises(APIStatusError) as caught:
        fn.poor.chat.completions.create(model="demo/chat", messages=user(), stream=streamed)
    assert caught.value.status_code == 402
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == 402
    assert fn.reported() == []


def test_every_provider_fails(fn: StreamingLambda) -> None:
    error_of(fn.http.post("/chat/completions", json=chat("demo/busy", stream=True)), 429)


def test_a_provider_fails_in_the_middle(fn: StreamingLambda) -> None:
    chunks: list[Any] = []
    with (
        fn.openai.chat.completions.create(model="demo/midstream-error", messages=user(), stream=True) as stream,
        pytest.raises(APIError) as caught,
    ):
        # Keeps what came before the error.
        chunks.extend(stream)

    assert chunks
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == 502
    assert fn.reported() == [chunks[0].id]
    # The app has ended its response as it wanted to: nothing failed as far as Lambda can see.
    assert fn.front.invocations[-1].steps == ["taken", "head", "ended", "idle"]


def test_the_time_runs_out_in_the_middle(fn: StreamingLambda) -> None:
    """Of ten seconds, five are kept."""
    with fn.changed(timeout_s=10) as (front, openai):
        fn.provider.hold()
        fn.provider.let(2)
        with (
            openai.chat.completions.create(model="demo/chat", messages=user(), stream=True) as stream,
            pytest.raises(APIError) as caught,
        ):
            list(stream)
        front.wait_until_idle()

        assert isinstance(caught.value.body, dict)
        assert caught.value.body["metadata"]["error_type"] == "timeout"
        assert front.invocations[-1].steps == ["taken", "head", "ended", "idle"]
        assert front.invocations[-1].error is None
    assert len(fn.reported()) == 1


def test_a_large_body_reaches_the_function_and_a_larger_one_does_not(fn: StreamingLambda) -> None:
    large = chat(text="word " * ((LARGEST_EVENT - 100_000) // 5))
    error = error_of(fn.http.post("/chat/completions", json=large), 400)
    assert "maximum context length is" in error["message"]

    refused = fn.http.post("/chat/completions", json=chat(text="x" * LARGEST_EVENT))
    assert (refused.status_code, refused.json()) == (413, {"message": "Request Too Long"})


def test_a_process_that_dies_in_the_middle(fn: StreamingLambda) -> None:
    with begin(fn) as stream:
        assert next_text(stream) == "You"
        environment = fn.front.environments[fn.front.invocations[-1].environment - 1]
        assert environment.process is not None
        psutil.Process(environment.process.pid).send_signal(signal.SIGKILL)
        with pytest.raises(APIConnectionError):
            list(stream)
    fn.provider.let()

    answer = fn.openai.chat.completions.create(model="demo/chat", messages=user())
    assert answer.usage is not None
    assert fn.front.invocations[-2].steps == ["taken", "head", "crashed", "idle"]
    assert fn.front.invocations[-1].environment != environment.number
    # What died was never reported: its hold expires.
    assert fn.reported() == [answer.id]


def test_a_client_that_leaves_still_pays(fn: StreamingLambda) -> None:
    with begin(fn) as stream:
        generation_id = next(stream).id
    fn.provider.let()
    assert fn.reported() == [generation_id]
    assert fn.front.invocations[-1].steps == ["taken", "head", "ended", "idle"]


def test_what_the_app_logs_bears_the_ids_of_its_invocation(fn: StreamingLambda, tmp_path: Path) -> None:
    log = tmp_path / "log"
    variables = {**fn.function.variables, "DEMO_API_KEY": "not the provider's"}
    with fn.changed(log=log, variables=variables) as (front, openai), pytest.raises(APIError):
        openai.chat.completions.create(model="demo/chat", messages=user(), stream=True)
    [line] = [json.loads(line) for line in log.read_text().splitlines() if "refused our credential" in line]
    invocation = front.invocations[-1]
    event = json.loads(invocation.event)
    assert line["level"] == "ERROR"
    assert line["function_request_id"] == invocation.id
    assert line["correlation_id"] == event["requestContext"]["requestId"]
    assert line["xray_trace_id"] in invocation.trace_id


def test_an_event_that_is_no_request(fn: StreamingLambda) -> None:
    payload, invocation = fn.front.invoke({"source": "aws.events", "detail-type": "Scheduled Event"})
    assert (payload, invocation.error) == (b"null", None)
    assert fn.reported() == []
