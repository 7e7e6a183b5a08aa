"""What is looked at before a prompt is sent, and what is told of what was flagged."""

import pytest

from turnpike.domain.moderation import LONGEST_TEXT, InputFlagged, user_texts


def test_all_that_users_said_is_looked_at() -> None:
    messages = [
        {"role": "system", "content": "Be nice"},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": [{"type": "text", "text": "Three"}, {"type": "file", "file": {}}]},
        {"role": "user", "content": "  "},
    ]
    assert user_texts(messages) == ["One", "Three"]


@pytest.mark.parametrize("length", [LONGEST_TEXT - 1, LONGEST_TEXT, LONGEST_TEXT + 1, 3 * LONGEST_TEXT + 17])
def test_long_texts_are_looked_at_whole(length: int) -> None:
    text = "".join(chr(97 + n % 26) for n in range(length))
    pieces = user_texts([{"role": "user", "content": text}])
    assert max(map(len, pieces)) <= LONGEST_TEXT
    # No phrase of 100 characters is cut in two by all of the pieces.
    for start in range(0, length - 100, 97):
        assert any(text[start : start + 100] in piece for piece in pieces)
    assert pieces[-1].endswith(text[-50:])


@pytest.mark.parametrize(("text", "shown"), [("short", "short"), ("a" * 100, "a" * 100)])
def test_what_is_short_is_shown_whole(text: str, shown: str) -> None:
    assert InputFlagged(text, ["hate"], provider_name="One", model="a/b").metadata["flagged_input"] == shown


def test_of_what_is_long_the_middle_is_left_out() -> None:
    error = InputFlagged("b" * 80 + "m" * 500 + "e" * 80, ["hate", "violence"], provider_name="One", model="a/b")
    shown = error.metadata["flagged_input"]
    assert (len(shown), shown[:49], shown[-48:]) == (100, "b" * 49, "e" * 48)
    assert shown[49:52] == "..."
    assert error.metadata["reasons"] == ["hate", "violence"]
    assert error.message == 'Your input was flagged for "hate", "violence". No credits were charged'
