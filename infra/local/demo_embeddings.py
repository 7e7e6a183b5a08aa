"""The demo provider's embeddings, as OpenAI's: texts that share words lie near each other, and nothing is learnt."""

import math
import re
from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import orjson

_DIMENSIONS = 256
_WORD = re.compile(r"\w+")


def present_embeddings(body: Mapping[str, Any]) -> bytes:
    """Raises LookupError, OverflowError, TypeError or ValueError for what is no request for embeddings."""
    texts = _texts_of(body["input"])
    dimensions = int(body.get("dimensions") or _DIMENSIONS)
    as_base64 = body.get("encoding_format") == "base64"
    vectors = [_vector_of(text, dimensions) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": _base64_of(each) if as_base64 else each.tolist()}
        for index, each in enumerate(vectors)
    ]
    tokens = sum(max(math.ceil(len(text) / 4), 1) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": body["model"], "usage": usage})


def _texts_of(given: Any) -> Sequence[str]:
    many = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    # Tokens are taken for characters: nobody made them with a tokenizer of ours.
    return [each if isinstance(each, str) else "".join(chr(token) for token in each) for each in many]


def _vector_of(text: str, dimensions: int) -> "array[float]":
    """Each word adds to a few places that its checksum names; of length 1, as OpenAI's are."""
    vector = array("f", bytes(4 * dimensions))
    for word in _WORD.findall(text.lower()) or [text]:
        seed = crc32(word.encode())
        for turn in range(8):
            seed = crc32(seed.to_bytes(4, "little"), turn)
            vector[seed % dimensions] += 1 if seed & 0x10000 else -1
    length = math.sqrt(sum(each * each for each in vector)) or 1.0
    return array("f", (each / length for each in vector))


def _base64_of(vector: "array[float]") -> str:
    return b64encode(vector.tobytes()).decode()
