"""Vectors in the encoding that the client asked for, whichever the provider had.

OpenAI's base64 is of little-endian 32-bit floats: https://platform.openai.com/docs/api-reference/embeddings/create
"""

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Sequence

from turnpike.domain.embeddings import Encoding, Vector


def encode(vector: Vector, encoding: Encoding) -> Vector:
    """Raises ValueError for what is no base64 of floats, TypeError and OverflowError for what are no floats."""
    if not vector:
        raise ValueError("the vector is empty")
    if isinstance(vector, str):
        return vector if encoding == "base64" else _to_floats(vector)
    return vector if encoding == "float" else _to_base64(vector)


def _to_base64(floats: Sequence[float]) -> str:
    return b64encode(_little_endian(array("f", floats)).tobytes()).decode()


def _to_floats(text: str) -> list[float]:
    floats = array("f")
    floats.frombytes(b64decode(text, validate=True))
    return _little_endian(floats).tolist()


def _little_endian(floats: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        floats.byteswap()
    return floats
