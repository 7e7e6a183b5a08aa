"""From decoded JSON to a validated model; errors name the field and never quote its value."""

from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from turnpike.domain.errors import InvalidRequest

_Model = TypeVar("_Model", bound=BaseModel)

_LONGEST_NAME = 64
"""Of a field name that the client made up and that is shown back to it."""


def parse(model: type[_Model], content: object) -> _Model:
    """Raises InvalidRequest naming the first field that is wrong."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        _refuse(error, content)


def _refuse(error: ValidationError, content: Any) -> NoReturn:
    problems = error.errors(include_url=False, include_input=False)
    located = [(_path(problem["loc"], problem["type"], content), problem) for problem in problems]
    # A union reports every branch that did not fit; the branch that got furthest is the one that was meant: furthest
    # down, and then to what was wrong besides the type.
    path, problem = max(located, key=lambda pair: (len(pair[0]), not pair[1]["type"].endswith("_type")))
    # From None: pydantic's own error quotes the values, and would otherwise travel along as the cause.
    raise InvalidRequest(_message(problem), field=".".join(path)) from None


def _message(problem: Any) -> str:
    if problem["type"] == "union_tag_invalid":
        # Pydantic's own message quotes the tag that was sent.
        return f"{problem['ctx']['discriminator']} should be one of {problem['ctx']['expected_tags']}"
    if problem["type"] == "model_type":
        # Pydantic's own says of which class of ours.
        return "Input should be a valid dictionary"
    return str(problem["msg"]).removeprefix("Value error, ")


def _path(location: Sequence[int | str], kind: str, content: Any) -> list[str]:
    """The part of pydantic's location that the client wrote: without the names of union branches."""
    path: list[str] = []
    current = content
    for position, part in enumerate(location, start=1):
        if _holds(current, part):
            current = current[part]
        elif kind != "missing" or position < len(location):
            continue
        path.append(str(part)[:_LONGEST_NAME])
    return path


def _holds(content: Any, part: int | str) -> bool:
    if isinstance(content, dict):
        return part in content
    return isinstance(content, list) and isinstance(part, int) and part < len(content)
