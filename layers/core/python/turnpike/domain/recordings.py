"""How long a recording is, by what its bytes say of themselves.

For what is held before anybody has listened to it, and for providers that do not tell: never to decide what may be
sent, so whatever is not understood is simply not known.
"""

import struct
from collections.abc import Callable

PCM_RATE = 16_000
"""Samples a second of headerless recordings, which are mono and of 16 bits (reference 7.13)."""

_LEAST_BYTES_PER_S = 1_000
"""Of speech that is fit to be understood; Opus and AMR are rarely set lower."""
_MOST_BYTES_PER_S = 400_000
"""Of sound in two channels, compressed without loss. What claims to need more claims to be shorter than it is."""

_MOST_CHUNKS = 1_000
"""That are looked at in front of a WAV's samples: empty ones without end would keep everybody else waiting."""
_MOST_FRAMES = 300_000
"""That are looked at one by one: two hours, or a third of a second. What is behind them is taken to be like them."""

# https://www.mp3-tech.org/programmer/frame_header.html: kbit/s by the header's index, for layer III.
_MP3_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBITS_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""By the version's bits: MPEG 1, 2 and 2.5."""
# https://wiki.multimedia.cx/index.php/ADTS
_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


def measure_ms(data: bytes, format: str = "") -> int | None:
    """None where it does not say, or in a form that is not read here (WebM, AMR)."""
    if format == "pcm":
        return -(-len(data) * 1000 // (2 * PCM_RATE))
    try:
        for beginning, measure in _FORMS:
            if beginning(data):
                seconds = measure(data)
                return None if seconds is None else max(0, round(seconds * 1000))
    except (ArithmeticError, IndexError, ValueError, struct.error):
        pass
    return None


def longest_ms(data: bytes, known: int | None) -> int:
    """What it may be at most, given what `measure_ms` finds, as far as that can be known without listening to it."""
    if known is None:
        return len(data) * 1000 // _LEAST_BYTES_PER_S
    return max(known, len(data) * 1000 // _MOST_BYTES_PER_S)


def mp3_bytes_per_s(head: bytes) -> int | None:
    """Of the first frame, which tells it for all of them where a provider encodes at one rate."""
    found = _mp3_frame(head, _behind_id3(head))
    return None if found is None else found[2] // 8


def wav_header(rate: int, size: int | None = None) -> bytes:
    """What stands before samples of 16 bits in one channel; their size may not be known yet.

    http://soundfile.sapp.org/doc/WaveFormat/
    """
    most = 0xFFFFFFFF
    riff, data = (most, most) if size is None else (size + 36, size)
    return struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", riff, b"WAVEfmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", data)


def _wav(data: bytes) -> float | None:
    """By what has to be known to play it: rate, channels and bits. Sizes are not believed, streams have none."""
    place, per_second = 12, 0
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(data):
            break
        name, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        if name == b"fmt ":
            channels, rate = struct.unpack_from("<HI", data, place + 10)
            (bits,) = struct.unpack_from("<H", data, place + 22)
            # Compressed forms say no bits, and only they need what is said of bytes.
            per_second = channels * rate * bits // 8 if bits >= 8 else struct.unpack_from("<I", data, place + 16)[0]
        elif name == b"data":
            return (len(data) - place - 8) / int(per_second)
        place += 8 + size + size % 2
    return None


def _flac(data: bytes) -> float | None:
    """https://www.rfc-editor.org/rfc/rfc9639#name-streaminfo"""
    packed = int.from_bytes(data[18:26], "big")
    rate, samples = packed >> 44, packed & ((1 << 36) - 1)
    return samples / rate if samples else None


def _ogg(data: bytes) -> float | None:
    """By the position at the end of the last page: https://www.rfc-editor.org/rfc/rfc7845#section-4"""
    last = data.rfind(b"OggS")
    (position,) = struct.unpack_from("<q", data, last + 6)
    if position < 0:
        return None
    if data[28:36] == b"OpusHead":
        skipped = int(struct.unpack_from("<H", data, 38)[0])
        return max(0, int(position) - skipped) / 48_000
    if data[28:35] == b"\x01vorbis":
        return float(position / struct.unpack_from("<I", data, 40)[0])
    return None


def _mp4(data: bytes) -> float | None:
    """https://developer.apple.com/documentation/quicktime-file-format/movie_header_atom"""
    place = data.find(b"mvhd")
    if place < 0:
        return None
    wide = data[place + 4] == 1
    scale, length = struct.unpack_from(">IQ" if wide else ">II", data, place + (24 if wide else 16))
    return float(length / scale)


def _mp3(data: bytes) -> float | None:
    """Frame by frame: what its head says of the whole need not be so."""
    return _framed(data, _behind_id3(data), _mp3_frame)


def _framed(
    data: bytes, first: int, read: Callable[[bytes, int], tuple[int, float] | tuple[int, float, int] | None]
) -> float | None:
    """`read` says how many bytes a frame has, and how many seconds."""
    place, seconds = first, 0.0
    for _ in range(_MOST_FRAMES):
        frame = read(data, place)
        if frame is None:
            return seconds or None
        place += frame[0]
        seconds += frame[1]
    return seconds * max(1.0, (len(data) - first) / (place - first))


def _mp3_frame(data: bytes, place: int) -> tuple[int, float, int] | None:
    """(bytes, seconds, bits a second) of the frame that begins there."""
    if place + 4 > len(data) or data[place] != 0xFF or data[place + 1] & 0xE6 != 0xE2:
        return None
    version, third = data[place + 1] >> 3 & 3, data[place + 2]
    index, rate_index, padded = third >> 4, third >> 2 & 3, third >> 1 & 1
    if version == 1 or index in (0, 15) or rate_index == 3:
        return None
    bits = (_MP3_KBITS if version == 3 else _MP3_KBITS_LOW)[index] * 1000
    rate, samples = _MP3_RATES[version][rate_index], 1152 if version == 3 else 576
    return samples // 8 * bits // rate + padded, samples / rate, bits


def _aac(data: bytes) -> float | None:
    return _framed(data, 0, _aac_frame)


def _aac_frame(data: bytes, place: int) -> tuple[int, float] | None:
    if place + 7 > len(data) or data[place] != 0xFF or data[place + 1] & 0xF6 != 0xF0:
        return None
    size = (data[place + 3] & 3) << 11 | data[place + 4] << 3 | data[place + 5] >> 5
    return None if size < 7 else (size, 1024 / _AAC_RATES[data[place + 2] >> 2 & 15])


def _behind_id3(data: bytes) -> int:
    """https://id3.org/id3v2.4.0-structure: seven bits of the size in each byte."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


_FORMS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], float | None]], ...] = (
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WAVE", _wav),
    (lambda data: data[:4] == b"fLaC", _flac),
    (lambda data: data[:4] == b"OggS", _ogg),
    (lambda data: data[4:8] == b"ftyp", _mp4),
    (lambda data: data[:1] == b"\xff" and data[1:2] != b"" and data[1] & 0xF6 == 0xF0, _aac),
    (lambda data: data[:3] == b"ID3" or data[:1] == b"\xff", _mp3),
)
