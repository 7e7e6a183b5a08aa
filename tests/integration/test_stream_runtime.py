"""The streaming runtime as Lambda runs it: a process, an app that does as it is told, and a strict front."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

import tests.runtime_api
from tests.proxy_events import proxy_event
from tests.runtime_api.environment import Function
from tests.runtime_api.front import LARGEST_EVENT, Front, fronting

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(tests.runtime_api.__file__).parent / "toy"
NO_PROXY = {"trust_env": False, "timeout": 20}
SECRET = "the text of a prompt"


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Function:
    folder = tmp_path_factory.mktemp("stream_runtime")
    return Function(TOY, ROOT / "layers" / "stream_runtime", folder / "log", folder / "bytecode")


@pytest.fixture(scope="module")
def front(function: Function) -> Iterator[Front]:
    with fronting(function) as front:
        yield front


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """What the app waits at: `gate.write_bytes(b"")` lets it pass."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def get(front: Front, path: str, **query: str) -> httpx2.Response:
    return httpx2.get(f"{front.url}/{path}", params=query, **NO_PROXY)


def stream(front: Front, path: str, **query: str) -> AbstractContextManager[httpx2.Response]:
    return httpx2.stream("GET", f"{front.url}/{path}", params=query, **NO_PROXY)


def cut_off(parts: Iterator[bytes]) -> list[bytes]:
    """What still comes of a body that has no end."""
    found: list[bytes] = []
    with pytest.raises(httpx2.RemoteProtocolError):
        # Keeps what came before the error.
        found.extend(parts)
    return found


def lines_of(function: Function) -> list[Any]:
    """Log lines that are JSON."""
    return [json.loads(line) for line in function.log.read_text().splitlines() if line.startswith("{")]


def test_a_request_and_its_invocation(front: Front) -> None:
    response = httpx2.post(
        f"{front.url}/echo?a=1&a=%20", content="{schön}".encode(), headers={"x-mine": "yes"}, **NO_PROXY
    )
    front.wait_until_idle()

    assert response.status_code == 201
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    facts, invocation = response.json(), front.invocations[-1]
    assert (facts["method"], facts["path"], facts["query"]) == ("POST", "/echo", "a=1&a=+")
    assert (facts["body"], facts["more_body"]) == ("{schön}", False)
    assert ["x-mine", "yes"] in facts["headers"]
    assert facts["request_id"] == invocation.id
    assert 0 < facts["left_ms"] <= 30_000
    assert facts["function"] == ["under-test", "$LATEST", "512"]
    assert facts["arn"].endswith(":function:under-test")
    assert facts["traces"] == [invocation.trace_id] * 2
    assert invocation.steps == ["taken", "head", "ended", "idle"]


def test_every_byte_survives_both_ways(front: Front) -> None:
    octets = bytes(range(256)) * 8
    upload = httpx2.post(f"{front.url}/mirror", files={"file": ("a.wav", octets, "audio/wav")}, **NO_PROXY)
    front.wait_until_idle()
    assert upload.headers["content-type"] == "audio/pcm"
    assert octets in upload.content
    assert json.loads(front.invocations[-1].event)["isBase64Encoded"]


def test_a_process_serves_one_invocation_after_another(function: Function) -> None:
    with fronting(function) as front:
        counts = []
        for _ in range(3):
            counts.append(get(front, "echo").json()["started"])
            front.wait_until_idle()
        assert (counts, len(front.environments)) == ([1, 2, 3], 1)


def test_a_chunk_is_with_the_client_before_the_next_is_made(front: Front, gate: Path) -> None:
    with stream(front, "gated", gate=str(gate)) as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"first"
        gate.write_bytes(b"")
        assert list(chunks) == [b"second"]


def test_work_after_the_response_does_not_keep_the_client(front: Front, function: Function, gate: Path) -> None:
    assert get(front, "after", gate=str(gate)).content == b"all"
    # And the environment is not taken for free.
    assert front.invocations[-1].steps == ["taken", "head", "ended"]
    assert "after the response" not in function.log.read_text()

    gate.write_bytes(b"")
    front.wait_until_idle()
    assert front.invocations[-1].steps == ["taken", "head", "ended", "idle"]
    assert "after the response" in function.log.read_text()


def test_the_app_learns_that_the_response_has_ended(front: Front, function: Function) -> None:
    assert get(front, "disconnected").text == "still there: True"
    front.wait_until_idle()
    assert "http.disconnect" in function.log.read_text()


def test_an_answer_without_a_body(front: Front) -> None:
    response = get(front, "empty")
    assert (response.status_code, response.content) == (204, b"")


def test_empty_parts_do_not_end_a_body_and_nuls_are_data(front: Front) -> None:
    assert get(front, "holes").content == b"a" + b"\0" * 9 + b"b"


def test_a_response_may_be_larger_than_any_whole_answer(front: Front) -> None:
    with stream(front, "large", mb="20") as response:
        assert sum(len(part) for part in response.iter_raw()) == 20 * 1024 * 1024


def test_a_request_may_have_what_lambda_takes(front: Front) -> None:
    body = b"x" * (LARGEST_EVENT - 10_000)
    assert int(httpx2.post(f"{front.url}/size", content=body, **NO_PROXY).text) == len(body)

    count = len(front.invocations)
    refused = httpx2.post(f"{front.url}/size", content=b"x" * LARGEST_EVENT, **NO_PROXY)
    assert (refused.status_code, refused.json()) == (413, {"message": "Request Too Long"})
    assert len(front.invocations) == count


@pytest.mark.parametrize("path", ["fails", "fails-with-head", "stops", "starts-twice", "cancels", "no-such-thing"])
def test_what_fails_before_the_first_byte_is_the_invocations_error(front: Front, path: str) -> None:
    response = get(front, path)
    front.wait_until_idle()

    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})
    invocation = front.invocations[-1]
    assert invocation.steps == ["taken", "failed", "idle"]
    assert invocation.error["header"] == invocation.error["errorType"]
    assert SECRET not in json.dumps(invocation.error)
    assert get(front, "echo").status_code == 201


@pytest.mark.parametrize(("path", "kind"), [("fails-late", "ValueError"), ("stops-half-way", "IncompleteResponse")])
def test_what_fails_later_is_in_the_trailers_and_the_body_has_no_end(front: Front, path: str, kind: str) -> None:
    with stream(front, path) as response:
        assert (response.status_code, cut_off(response.iter_raw())) == (200, [b"some"])
    front.wait_until_idle()

    invocation = front.invocations[-1]
    assert invocation.steps == ["taken", "head", "failed", "idle"]
    assert (invocation.error["errorType"], invocation.error["header"]) == (kind, kind)
    assert SECRET not in json.dumps(invocation.error)


def test_a_stream_of_events_that_fails_ends_with_one_that_says_so(front: Front) -> None:
    with stream(front, "fails-late", kind="text/event-stream; charset=utf-8") as response:
        text = b"".join(cut_off(response.iter_raw())).decode()
    *_, event, rest = text.split("\n\n")
    assert rest == ""
    error = json.loads(event.removeprefix("data: "))["error"]
    assert (error["code"], error["message"]) == (500, "The answer was interrupted")


def test_what_fails_after_the_response_is_logged_and_no_more(front: Front, function: Function) -> None:
    assert get(front, "fails-at-last").content == b"all"
    front.wait_until_idle()

    invocation = front.invocations[-1]
    assert (invocation.steps, invocation.error) == (["taken", "head", "ended", "idle"], None)
    [line] = [line for line in lines_of(function) if line.get("requestId") == invocation.id]
    assert (line["level"], line["errorType"]) == ("ERROR", "ValueError")
    assert SECRET not in function.log.read_text()


def test_errors_that_nobody_waits_for_are_logged_without_their_text(front: Front, function: Function) -> None:
    assert get(front, "strays").status_code == 200
    front.wait_until_idle()

    messages = [line["message"] for line in lines_of(function)]
    assert "a task failed that nobody waited for" in messages
    assert "a warning" in messages
    assert "an information" not in messages
    assert SECRET not in function.log.read_text()


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        "ping",
        {"source": "aws.events", "detail-type": "Scheduled Event"},
        {"Records": [{"eventSource": "aws:sqs", "body": SECRET}]},
        {"requestContext": {"requestId": "id", "stage": "prod"}, "completion": {"status": 200}},
    ],
)
def test_an_event_that_is_no_request_is_nothing_to_do(front: Front, event: object) -> None:
    payload, invocation = front.invoke(event)
    assert (payload, invocation.steps, invocation.error) == (b"null", ["taken", "ended", "idle"], None)


def test_an_event_that_only_begins_like_a_request(front: Front) -> None:
    _, invocation = front.invoke({"requestContext": {"http": {"method": "GET"}}})
    assert invocation.steps == ["taken", "failed", "idle"]
    assert invocation.error["errorType"] == "KeyError"


def test_the_end_of_the_time_ends_a_response_and_still_lets_the_app_clean_up(function: Function) -> None:
    with fronting(replace(function, timeout_s=3)) as front:
        front.warm_up()
        with stream(front, "never-ends") as response:
            assert cut_off(response.iter_raw()) == [b"some"]
        front.wait_until_idle()

        invocation = front.invocations[-1]
        assert invocation.steps == ["taken", "head", "failed", "idle"]
        assert (invocation.error["errorType"], invocation.error["errorMessage"]) == (
            "TimeoutError",
            "the function's time was up",
        )
        assert "cleaned up" in function.log.read_text()
        assert get(front, "echo").json()["started"] == 2


def test_an_app_that_blocks_is_ended_by_lambda(function: Function, gate: Path) -> None:
    with fronting(replace(function, timeout_s=2)) as front:
        front.warm_up()
        with stream(front, "blocks", gate=str(gate)) as response:
            assert cut_off(response.iter_raw()) == [b"some"]
        front.wait_until_idle()

        assert front.invocations[-1].steps == ["taken", "head", "timed out", "idle"]
        assert get(front, "echo").json()["started"] == 1
        assert len(front.environments) == 2


def test_a_process_that_ends_takes_its_invocation_along(function: Function, gate: Path) -> None:
    with fronting(function) as front:
        assert get(front, "exits").status_code == 502
        with stream(front, "exits", late="1", gate=str(gate)) as response:
            parts = response.iter_raw()
            assert next(parts) == b"some"
            gate.write_bytes(b"")
            assert cut_off(parts) == []
        front.wait_until_idle()

        steps = [invocation.steps for invocation in front.invocations]
        assert steps == [["taken", "crashed", "idle"], ["taken", "head", "crashed", "idle"]]
        assert get(front, "echo").status_code == 201
        assert len(front.environments) == 3


def test_an_answer_that_lambda_does_not_take_ends_nothing_else(function: Function, tmp_path: Path) -> None:
    function = replace(function, log=tmp_path / "log")
    with fronting(function) as front:
        assert get(front, "many-headers").status_code == 502
        front.wait_until_idle()
        assert front.violations == ["the metadata are longer than 16 KB"]
        front.violations.clear()
        [line] = lines_of(function)
        assert (line["errorType"], line["errorMessage"]) == ("RuntimeApiError", "a streamed answer: status 400")
        assert get(front, "echo").json()["started"] == 2


def test_a_process_whose_runtime_api_is_gone_ends(function: Function, tmp_path: Path) -> None:
    function = replace(function, log=tmp_path / "log", variables={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"})
    with fronting(function) as front:
        assert front.warm_up().process is None
    [line] = lines_of(function)
    assert line["message"] == "there is no Runtime API any more"


@pytest.mark.parametrize("deadline_ms", [0, 600_000])
def test_a_deadline_that_has_passed_is_none(function: Function, deadline_ms: int) -> None:
    """Emulators send these, and an invocation that has only just come is not over."""
    with fronting(function) as front:
        event = proxy_event("GET", "/echo")
        _, invocation = front.invoke(event, deadline_ms=deadline_ms)
        assert (invocation.steps, invocation.error) == (["taken", "head", "ended", "idle"], None)


def test_several_invocations_share_an_event_loop_where_lambda_allows_it(function: Function, tmp_path: Path) -> None:
    gates = [tmp_path / f"gate-{number}" for number in range(3)]
    with fronting(replace(function, at_once=3)) as front:
        front.warm_up()
        responses = []
        for each in gates:
            os.mkfifo(each)
            responses.append(Streaming(front, each))
        for response in responses:
            response.begun.wait()
        # All have begun, and the last is let through first.
        for each, response in reversed(list(zip(gates, responses, strict=True))):
            each.write_bytes(b"")
            response.thread.join()
            assert response.parts == [b"first", b"second"]
        front.wait_until_idle()

        assert len(front.environments) == 1
        facts = get(front, "echo").json()
        assert facts["started"] == 4
        # The variable could only be one invocation's.
        assert facts["traces"] == [front.invocations[-1].trace_id, None]


class Streaming:
    """A client of its own thread."""

    def __init__(self, front: Front, gate: Path) -> None:
        self.begun = threading.Event()
        self.parts: list[bytes] = []
        self.thread = threading.Thread(target=self._run, args=(front, gate))
        self.thread.start()

    def _run(self, front: Front, gate: Path) -> None:
        with stream(front, "gated", gate=str(gate)) as response:
            for part in response.iter_raw():
                self.parts.append(part)
                self.begun.set()


Write = Callable[[str], Function]


@pytest.fixture
def written(function: Function, tmp_path: Path) -> Write:
    """A function whose module is what the test says."""

    def write(source: str) -> Function:
        folder = tmp_path / "function"
        folder.mkdir()
        (folder / "handler.py").write_text(source)
        return replace(function, folder=folder, log=tmp_path / "log")

    return write


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("import os\napp = os.environ['TURNPIKE_MISSING']", "KeyError", "TURNPIKE_MISSING"),
        ("import no_such_module", "Runtime.ImportModuleError", "no_such_module"),
        ("def", "Runtime.UserCodeSyntaxError", "handler.py"),
        ("handler = None", "Runtime.HandlerNotFound", "no ASGI app called `app`"),
        ("raise SystemExit('stop')", "SystemExit", "stop"),
    ],
)
def test_a_function_that_cannot_be_loaded(written: Write, source: str, kind: str, message: str) -> None:
    function = written(source)
    with fronting(function) as front:
        environment = front.warm_up()

        assert environment.process is None
        assert (environment.init_error["errorType"], environment.init_error["header"]) == (kind, kind)
        # No customer had a part in it, and whoever deployed it has to know.
        assert message in environment.init_error["errorMessage"]
        [line] = lines_of(function)
        assert (line["level"], line["errorType"]) == ("ERROR", kind)


HOOKS = """
import sys, types
hooks = types.ModuleType("snapshot_restore_py")
hooks.before, hooks.after, made = [], [], []
hooks.get_before_snapshot = lambda: hooks.before
hooks.get_after_restore = lambda: hooks.after
sys.modules["snapshot_restore_py"] = hooks

async def later(*what, **named):
    made.append([*what, *named.values()])

hooks.before += [(made.append, ("first before",), {}), (made.append, ("second before",), {})]
hooks.after += [(later, ("after",), {"named": 1}), (made.append, ("last",), {})]
"""
SERVED = """
import json
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": json.dumps(made).encode()})
"""


def test_a_snapshot_is_taken_between_its_hooks(written: Write) -> None:
    function = replace(written(HOOKS + SERVED), variables={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    with fronting(function) as front:
        assert get(front, "").json() == ["second before", "first before", ["after", 1], "last"]
        assert front.environments[0].steps == ["restored"]


def test_a_snapshot_needs_no_hooks(function: Function) -> None:
    with fronting(replace(function, variables={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})) as front:
        assert get(front, "echo").status_code == 201
        assert front.environments[0].steps == ["restored"]


@pytest.mark.parametrize(
    ("hook", "kind", "steps"),
    [
        ("before", "Runtime.BeforeSnapshotError", []),
        ("after", "Runtime.AfterRestoreError", ["restored", "not restored"]),
    ],
)
def test_a_hook_that_fails(written: Write, hook: str, kind: str, steps: list[str]) -> None:
    source = HOOKS + f"\nhooks.{hook}.append((int, ('x',), {{}}))" + SERVED
    function = replace(written(source), variables={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    with fronting(function) as front:
        environment = front.warm_up()
        assert (environment.process, environment.steps) == (None, steps)
        assert environment.init_error["errorType"] == kind


def test_the_function_comes_before_the_layers_and_these_before_python(written: Write) -> None:
    source = (
        "import json, sys, os\npath, modules, cwd = sys.path[:], sorted(sys.modules), os.getcwd()\n"
        + SERVED.replace("made", "[path, modules, cwd]")
    )
    function = written(source)
    with fronting(function) as front:
        path, modules, cwd = get(front, "").json()

    layers = function.layers / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert path[:3] == [str(function.folder), str(layers / "lib" / version / "site-packages"), str(layers)]
    assert path[-1] == "/var/runtime"
    assert len(path) == len(set(path))
    assert cwd == str(function.folder)
    # An app that needs it will load it; the runtime does not.
    assert "http.client" not in modules
