"""Reads one PDF from standard input, in a process that can be lost: `python -m turnpike.providers.pdf_worker text …`.

With the word `pages` in place of `text` it counts them. What it is given may be made to fill the memory, or to be read
for ever, so it first limits itself. It prints one object of JSON, `{"text": …}`, `{"pages": …}` or `{"fault": …}`; when
it is killed, it prints nothing.
"""

import json
import resource
import sys
from io import BytesIO

MOST_PAGES = 1_000
MOST_CHARACTERS = 1_000_000
"""Some 300,000 tokens, which is more than most models read."""

Answer = dict[str, str | int]


def main(what: str, memory_bytes: int, seconds: int) -> None:
    """The memory is of the whole process, the seconds are of the processor."""
    # Before the limits, of which one is that nothing is written: where Python may keep the library's bytecode, it does.
    import pypdf  # noqa: F401

    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    try:
        answer = read(sys.stdin.buffer.read(), counts=what == "pages")
    except MemoryError:
        answer = {"fault": "heavy"}
    sys.stdout.write(json.dumps(answer))


def read(content: bytes, *, counts: bool = False) -> Answer:
    """What the pages say, one after the other; or how many there are."""
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError, LimitReachedError

    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"fault": "encrypted"}
        pages = len(reader.pages)
        if pages > MOST_PAGES:
            return {"fault": "pages"}
        if counts:
            return {"pages": pages} if pages else {"fault": "empty"}
        texts: list[str] = []
        left = MOST_CHARACTERS
        for page in reader.pages:
            texts.append(page.extract_text())
            left -= len(texts[-1])
            if left < 0:
                return {"fault": "long"}
    except FileNotDecryptedError:
        return {"fault": "encrypted"}
    except LimitReachedError:
        return {"fault": "heavy"}
    except MemoryError:
        raise
    except Exception:  # Whatever it is: files are broken in more ways than the library has names for.
        return {"fault": "broken"}
    text = "\n\n".join(text for text in texts if text.strip())
    # Half of a surrogate pair is no text that JSON could carry on.
    return {"text": text.encode("utf-8", "replace").decode()} if text else {"fault": "empty"}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
