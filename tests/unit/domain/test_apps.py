"""Apps are told apart by the origin of their address, and free text is kept short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.apps import LONGEST_LABEL, app_of, label_of, origin_of


@pytest.mark.parametrize(
    ("referer", "origin"),
    [
        ("https://app.test", "https://app.test"),
        ("https://App.Test/chat?user=1#x", "https://app.test"),
        ("http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
        ("https://name:secret@app.test/", "https://app.test"),
        ("android-app://com.example.chat/", "android-app://com.example.chat"),
        ("https://[::1]:8080/x", "https://[::1]:8080"),
        ("https://[broken", None),
        ("my app", None),
        ("/chat", None),
        ("file:///home/someone/page.html", None),
        ("", None),
        (None, None),
    ],
)
def test_an_origin_is_the_beginning_of_an_address(referer: str | None, origin: str | None) -> None:
    assert origin_of(referer) == origin


@pytest.mark.parametrize(
    ("referer", "title", "app"),
    [
        ("https://app.test/a", "App", "https://app.test"),
        ("my app", "App", "App"),
        ("my app", None, "my app"),
        (None, " App ", "App"),
        (None, "  ", None),
        (None, None, None),
    ],
)
def test_an_app_is_its_origin_or_its_title(referer: str | None, title: str | None, app: str | None) -> None:
    assert app_of(referer, title) == app


@given(st.text())
def test_any_text_becomes_a_label_that_fits(text: str) -> None:
    label = label_of(text)
    assert len((label or "").encode()) <= LONGEST_LABEL
    if len(text.encode()) <= LONGEST_LABEL:
        assert label == (text.strip() or None)


@given(st.lists(st.text(min_size=60, max_size=300), unique_by=str.strip, max_size=5))
def test_texts_that_differ_have_labels_that_do(texts: list[str]) -> None:
    assert len({label_of(text) for text in texts}) == len(texts)


def test_what_is_cut_is_cut_between_characters() -> None:
    label = label_of("ü" * 200)
    assert label is not None
    assert label.startswith("ü" * 59 + "~")
