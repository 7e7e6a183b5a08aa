"""How long a recording is, measured on files that are made here by the formats' own rules."""

import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.recordings import longest_ms, measure_ms, mp3_bytes_per_s, wav_header
from turnpike.domain.transcription import Recording


def wav(ms: int, *, rate: int = 24_000) -> bytes:
    size = ms * rate * 2 // 1000
    return wav_header(rate, size) + bytes(size)


def mp3(frames: int, *, tag: bytes = b"") -> bytes:
    """MPEG 1 layer III at 128 kbit/s and 48,000 samples a second: 384 bytes and 24 ms each."""
    return tag + (b"\xff\xfb\x94\x00" + bytes(380)) * frames


def aac(frames: int) -> bytes:
    """ADTS at 24,000 samples a second: 1024 samples in each frame, here of 64 bytes."""
    head = bytes([0xFF, 0xF1, 6 << 2 | 0x40, 64 >> 11, 64 >> 3 & 0xFF, (64 & 7) << 5, 0])
    return (head + bytes(57)) * frames


def flac(seconds: int) -> bytes:
    packed = (44_100 << 44) | (1 << 41) | (15 << 36) | 44_100 * seconds
    return b"fLaC\x00\x00\x00\x22" + bytes(10) + packed.to_bytes(8, "big") + bytes(16)


def opus(seconds: int) -> bytes:
    first = b"OggS\x00\x02" + bytes(20) + b"\x01\x13" + b"OpusHead\x01\x01" + struct.pack("<H", 312) + bytes(7)
    return first + bytes(64) + b"OggS\x00\x04" + struct.pack("<q", 48_000 * seconds + 312) + bytes(40)


def vorbis(seconds: int) -> bytes:
    first = b"OggS\x00\x02" + bytes(20) + b"\x01\x1e" + b"\x01vorbis" + bytes(4) + b"\x01" + struct.pack("<I", 8_000)
    return first + bytes(64) + b"OggS\x00\x04" + struct.pack("<q", 8_000 * seconds) + bytes(40)


def m4a(seconds: int, *, wide: bool = False) -> bytes:
    times = struct.pack(">QQIQ" if wide else ">IIII", 0, 0, 600, 600 * seconds)
    return b"\x00\x00\x00\x18ftypM4A " + bytes(16) + b"mvhd" + bytes([int(wide), 0, 0, 0]) + times + bytes(80)


@pytest.mark.parametrize(
    ("data", "ms"),
    [
        (wav(1500), 1500),
        (wav(1500, rate=8_000), 1500),
        # A file that was written as a stream does not say how long it is.
        (wav_header(24_000) + bytes(48_000), 1000),
        (mp3(50), 1200),
        (mp3(50, tag=b"ID3\x04\x00\x00\x00\x00\x02\x01" + bytes(257)), 1200),
        (aac(75), 3200),
        (flac(7), 7000),
        (opus(3), 3000),
        (vorbis(3), 3000),
        (m4a(90), 90_000),
        (m4a(90, wide=True), 90_000),
    ],
)
def test_what_a_file_says_of_itself(data: bytes, ms: int) -> None:
    assert measure_ms(data) == ms


def test_samples_without_a_header_are_counted() -> None:
    assert measure_ms(bytes(32_000), "pcm") == 1000
    assert measure_ms(b"\x00\x00\x01", "pcm") == 1


@pytest.mark.parametrize("data", [b"", b"\x1aE\xdf\xa3" + bytes(90), b"RIFF", b"OggS", b"fLaC", bytes(9), wav(10)[:30]])
def test_what_says_nothing_is_not_known(data: bytes) -> None:
    assert measure_ms(data) is None
    assert longest_ms(data, None) == len(data)


def test_what_claims_to_be_shorter_than_it_can_be_is_not_believed() -> None:
    assert measure_ms(m4a(1) + bytes(4_000_000)) == 1000
    assert Recording(m4a(1) + bytes(4_000_000), "m4a").longest_ms >= 10_000
    assert Recording(wav(1500), "wav").longest_ms == 1500


@given(
    st.sampled_from([wav, mp3, aac, flac, opus, vorbis, m4a]),
    st.integers(0, 400),
    st.binary(max_size=40),
    st.integers(0, 400),
)
def test_no_file_is_too_broken_to_look_at(make: Callable[[int], bytes], place: int, junk: bytes, cut: int) -> None:
    data = make(5)
    data = data[:place] + junk + data[place + len(junk) :]
    for each in (data, data[:cut], junk):
        found = measure_ms(each)
        assert found is None or found >= 0
        assert longest_ms(each, found) >= 0


def test_samples_behind_chunks_without_end_are_not_looked_for() -> None:
    head, samples = wav(1500)[:12], wav(1500)[12:]
    assert measure_ms(head + bytes(8 * 900) + samples) == 1500
    assert measure_ms(head + bytes(8 * 1100) + samples) is None


@pytest.mark.parametrize(("frames", "least"), [(aac, 7), (mp3, 24)])
def test_frames_without_end_are_not_all_looked_at(frames: Callable[[int], bytes], least: int) -> None:
    """The smallest that there can be, in the largest file that is taken: what they say comes to the same."""
    small, count = frames_of(frames, least), 25 * 1024 * 1024 // least
    began = time.process_time()
    found = measure_ms(small * count)
    assert time.process_time() - began < 1.5
    single = measure_ms(small * 1000)
    assert found is not None
    assert single is not None
    assert found == pytest.approx(single * count / 1000, rel=0.001)


def frames_of(make: Callable[[int], bytes], size: int) -> bytes:
    """One frame of so many bytes."""
    if make is mp3:  # MPEG 2 layer III, at 8 kbit/s and 24,000 samples a second.
        return b"\xff\xf3\x14\x00" + bytes(size - 4)
    return bytes([0xFF, 0xF1, 6 << 2 | 0x40, size >> 11, size >> 3 & 0xFF, (size & 7) << 5, 0]) + bytes(size - 7)


def test_two_hours_are_measured_to_the_frame() -> None:
    hour = (aac(1) + frames_of(aac, 100)) * 84_375
    assert measure_ms(hour) == 2 * 3_600_000


def test_the_rate_of_an_mp3_is_in_its_first_frame() -> None:
    assert mp3_bytes_per_s(mp3(1)) == 16_000
    assert mp3_bytes_per_s(b"nothing") is None
