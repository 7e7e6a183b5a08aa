"""A text as the one argument of a function, and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.custom_tools import CLOSING, OPENING, arguments_of, escaped, text_of


@given(st.lists(st.text()))
def test_a_text_survives_in_one_piece_and_in_several(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert text_of(arguments_of(text)) == text
    assert json.loads(OPENING + "".join(map(escaped, pieces)) + CLOSING) == {"input": text}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("*** Begin Patch", "*** Begin Patch"),
        ('"in quotes"', "in quotes"),
        ('{"patch": "x"}', '{"patch": "x"}'),
        ('{"input": 7}', '{"input": 7}'),
        ('{"input": "cut', '{"input": "cut'),
        ("", ""),
    ],
)
def test_a_model_that_wrote_something_else_is_taken_at_its_word(arguments: str, text: str) -> None:
    assert text_of(arguments) == text
