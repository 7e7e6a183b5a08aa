"""What a file is, from its first bytes, where the server that sent it does not say."""

from collections.abc import Callable

_OFFICE = "application/vnd.openxmlformats-officedocument."

# https://mimesniff.spec.whatwg.org/#matching-a-mime-type-pattern, and the formats' own specifications.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"OggS\x00", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3\x02", "audio/mpeg"),
    (b"ID3\x03", "audio/mpeg"),
    (b"ID3\x04", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
# By the major brand of an ISO base media file: https://mp4ra.org/registered-types/brands
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic", b"mif1": "image/heif", b"qt  ": "video/quicktime"}
_AUDIO_BRANDS = (b"M4A ", b"M4B ")
# A zip whose directory names these.
_ZIPPED = (
    (b"word/document.xml", f"{_OFFICE}wordprocessingml.document"),
    (b"xl/workbook.xml", f"{_OFFICE}spreadsheetml.sheet"),
    (b"ppt/presentation.xml", f"{_OFFICE}presentationml.presentation"),
)
# Streams of an OLE file, named in UTF-16.
_OLE = (("WordDocument", "application/msword"), ("Workbook", "application/vnd.ms-excel"))
_NO_TEXT = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))


def sniff_media_type(content: bytes) -> str | None:
    """None for what is neither known nor text in UTF-8."""
    for beginning, media_type in _BEGINNINGS:
        if content.startswith(beginning):
            return media_type
    for look in _LOOKS:
        found = look(content)
        if found is not None:
            return found
    return None


def _riff(content: bytes) -> str | None:
    return _RIFF.get(content[8:12]) if content.startswith(b"RIFF") else None


def _iso_media(content: bytes) -> str | None:
    if content[4:8] != b"ftyp":
        return None
    brand = content[8:12]
    return "audio/mp4" if brand in _AUDIO_BRANDS else _BRANDS.get(brand, "video/mp4")


def _office(content: bytes) -> str | None:
    if content.startswith(b"PK\x03\x04"):
        return next((media_type for name, media_type in _ZIPPED if name in content), None)
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return next((media_type for name, media_type in _OLE if name.encode("utf-16-le") in content), None)
    return None


def _text(content: bytes) -> str | None:
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if not content or content.translate(None, _NO_TEXT) != content else "text/plain"


_LOOKS: tuple[Callable[[bytes], str | None], ...] = (_riff, _iso_media, _office, _text)
