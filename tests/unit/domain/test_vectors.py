"""Vectors in one encoding and the other."""

import struct
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.vectors import encode

FLOATS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50)


@given(FLOATS)
def test_floats_become_openais_base64_and_back(floats: list[float]) -> None:
    expected = b64encode(struct.pack(f"<{len(floats)}f", *floats)).decode()
    assert encode(floats, "base64") == expected
    assert encode(expected, "float") == floats


def test_what_is_right_already_stays() -> None:
    assert encode([0.1], "float") == [0.1]
    assert encode("AACAPw==", "base64") == "AACAPw=="


@pytest.mark.parametrize("vector", ["", [], "AACAP", "????", "AAA="])
def test_what_is_no_vector_is_refused(vector: str | list[float]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(vector, "float")


@pytest.mark.parametrize("vector", [["a"], [None], [[1.0]]])
def test_what_are_no_floats_is_refused(vector: list[float]) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(vector, "base64")
