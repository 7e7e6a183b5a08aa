"""Log lines as Lambda's own runtime writes them."""

import json
import logging
from typing import Any

from stream_runtime.failure import Failure
from stream_runtime.logs import JsonFormatter, request_id

logger = logging.Logger("under.test")


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        assert "\n" not in line
        self.lines.append(json.loads(line))


def logged(level: int, message: str, *arguments: object, **more: Any) -> dict[str, Any]:
    handler = Lines()
    logger.addHandler(handler)
    try:
        logger.log(level, message, *arguments, **more)
    finally:
        logger.removeHandler(handler)
    [line] = handler.lines
    return line


def test_a_line() -> None:
    line = logged(logging.WARNING, "%s of\n%s", 1, "two")
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "WARNING", "message": "1 of\ntwo", "logger": "under.test"}


def test_it_bears_the_id_of_the_invocation() -> None:
    token = request_id.set("id-1")
    try:
        assert logged(logging.INFO, "")["requestId"] == "id-1"
    finally:
        request_id.reset(token)


def test_an_error_by_its_type_and_place() -> None:
    try:
        raise ValueError("a secret")
    except ValueError:
        line = logged(logging.ERROR, "failed", exc_info=True)
    assert line["errorType"] == "ValueError"
    assert line["stackTrace"][0].startswith(__file__)
    assert "a secret" not in json.dumps(line)


def test_a_failure() -> None:
    line = logged(logging.ERROR, "failed", extra={"failure": Failure("A", "B", ["c"])})
    assert (line["errorType"], line["errorMessage"], line["stackTrace"]) == ("A", "B", ["c"])
