"""Files in messages, and the texts that take their place."""

import base64
from typing import Any

import pytest

from turnpike.domain.file_texts import (
    Place,
    annotation_of,
    file_text_of,
    hash_of,
    known_files,
    may_be_pdf,
    name_of,
    with_texts,
)

PDF = b"%PDF-1.7 and so on"
BASE64 = base64.b64encode(PDF).decode()


def part(data: str | None, name: str | None = None) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (f"data:application/pdf;base64,{BASE64}", True),
        (f"data:Application/PDF;base64,{BASE64}", True),
        (f"data:application/octet-stream;base64,{BASE64}", True),
        (BASE64, True),
        ("https://example.com/a.pdf", True),
        ("HTTPS://example.com/download?id=5", True),
        ("data:text/plain;base64,SGVsbG8=", False),
        ("SGVsbG8=", False),
        (None, False),
    ],
)
def test_what_may_be_a_pdf(data: str | None, expected: bool) -> None:
    assert may_be_pdf(part(data)) is expected


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (BASE64, "a.pdf", "a.pdf"),
        (BASE64, 'a"b\n.pdf', "a'b .pdf"),
        (BASE64, None, "document.pdf"),
        ("https://example.com/x/paper.pdf?y=1#z", None, "paper.pdf"),
        ("https://example.com/", None, "document.pdf"),
    ],
)
def test_names(data: str, name: str | None, expected: str) -> None:
    assert name_of(part(data, name)) == expected


def test_texts_take_the_place_of_files_and_nothing_else_changes() -> None:
    first, kept, second = part(BASE64, "a"), {"type": "text", "text": "?"}, part(BASE64, "b")
    messages = [{"role": "user", "content": "Hi"}, {"role": "user", "content": [first, kept, second]}]
    one, two = file_text_of(PDF, "a", "One"), file_text_of(PDF, "b", "Two")
    changed = with_texts(messages, {Place(1, 0): one, Place(1, 2): two})
    assert [each["text"] for each in changed[1]["content"]] == [
        *('<file name="a">', "One", "</file>"),
        "?",
        *('<file name="b">', "Two", "</file>"),
    ]
    assert changed[0] is messages[0]
    assert messages[1]["content"] == [first, kept, second]


def test_an_annotation_brings_back_what_was_read() -> None:
    read = file_text_of(PDF, "a.pdf", "What it says")
    answer = {"role": "assistant", "content": "Yes", "annotations": [annotation_of(read)]}
    (known,) = known_files([{"role": "user", "content": "?"}, answer]).values()
    assert (known.hash, known.name, list(known.content)) == (hash_of(PDF), "a.pdf", list(read.content))
    assert (known.is_known, read.is_known) == (True, False)


@pytest.mark.parametrize(
    "annotation",
    [
        None,
        "file",
        {"type": "url_citation", "url_citation": {"url": "https://x.test"}},
        {"type": "file"},
        {"type": "file", "file": {"hash": 5, "content": [{"type": "text", "text": "a"}]}},
        {"type": "file", "file": {"hash": "h", "content": []}},
        {"type": "file", "file": {"hash": "h", "content": "text"}},
        {"type": "file", "file": {"hash": "h", "content": [{"type": "text", "text": 5}]}},
        {"type": "file", "file": {"hash": "h", "content": [{"type": "file", "file": {}}]}},
    ],
)
def test_what_is_no_annotation_of_a_file_brings_nothing(annotation: Any) -> None:
    assert not known_files([{"role": "assistant", "content": "", "annotations": [annotation]}])


def test_only_answers_bring_files() -> None:
    read = annotation_of(file_text_of(PDF, "a", "text"))
    assert not known_files([{"role": "user", "content": "", "annotations": [read]}])
    assert not known_files([{"role": "assistant", "content": "", "annotations": "many"}])
