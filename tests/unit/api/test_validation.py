"""Refusals of bodies name what the client wrote, and quote nothing of it."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from turnpike.api.validation import parse
from turnpike.domain.errors import InvalidRequest


class Text(BaseModel):
    type: Literal["text"]
    text: str


class Image(BaseModel):
    type: Literal["image"]
    url: str


class Message(BaseModel):
    content: str | list[Annotated[Text | Image, Field(discriminator="type")]] | None = None


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    limit: float
    messages: list[Message] = []
    labels: dict[str, int] = {}
    stop: str | Annotated[list[str], Field(max_length=1)] | None = None

    @field_validator("limit")
    @classmethod
    def check_limit(cls, limit: float) -> float:
        if limit == 13:
            raise ValueError("is unlucky")
        return limit


def content(part: Any) -> dict[str, Any]:
    return {"limit": 1, "messages": [{}, {"content": part}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "limit: Field required"),
        ({"limit": "5"}, "limit: Input should be a valid number"),
        ({"limit": 13}, "limit: is unlucky"),
        ({"limit": 1, "secret-field": 1}, "secret-field: Extra inputs are not permitted"),
        ({"limit": 1, "labels": {"a": "secret"}}, "labels.a: Input should be a valid integer"),
        (content(5), "messages.1.content: Input should be a valid string"),
        (content([{"type": "text"}]), "messages.1.content.0.text: Field required"),
        (content([{"type": "image", "url": 5}]), "messages.1.content.0.url: Input should be a valid string"),
        (content([{"type": "secret"}]), "messages.1.content.0: 'type' should be one of 'text', 'image'"),
        ({"limit": 1, "messages": ["secret"]}, "messages.0: Input should be a valid dictionary"),
        ({"limit": 1, "stop": ["a", "b"]}, "stop: List should have at most 1 item after validation, not 2"),
        ({"limit": 1, "stop": 5}, "stop: Input should be a valid string"),
        ([], "Input should be a valid dictionary"),
    ],
)
def test_the_message_names_the_field_and_not_its_value(body: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(Body, body)

    assert caught.value.message.startswith(message)
    assert "secret" not in caught.value.message.replace("secret-field", "")
    assert "instance of" not in caught.value.message
    # The original error holds the values; nothing may log it by following the chain.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_names_that_clients_make_up_are_cut() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(Body, {"limit": 1, "x" * 10_000: 1})

    assert len(caught.value.message) < 200


def test_what_fits_is_returned() -> None:
    assert parse(Body, {"limit": 2}).limit == 2
