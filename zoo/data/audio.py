"""Sound in graph: the bytes of a WAV file of any rate → samples → features of frames, one every few milliseconds.

    wav = audio.as_wav(Path("said.flac").read_bytes())     # FLAC becomes WAV; WAV stays
    samples, lengths = audio.decode(wavs, rate=16_000)     # float32[B, N], int32[B]
    features, frames = Features(rate=16_000)(samples, lengths)        # float32[B, T, 40], int32[B]

WAV may have integers of 8, 16, 24 or 32 bits or floats of 32, any number of channels, and any rate; channels are
averaged. Everything but `as_wav` consists of stock TensorFlow operations, so that a server takes the same files.
"""

import dataclasses
import io
import json
import re
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import tensorflow as tf

from zoo import errors
from zoo.data import codec
from zoo.errors import InputError

SLOWEST, FASTEST = 4_000, 192_000  # samples a second
LONGEST = 15 * 60  # seconds
GRID = 25  # Hz; other rates are read as the nearest multiple, which is less than 0.4 % away
TAPS = 32  # zero crossings of the resampling filter on each side
CHUNKS = 64  # of a file that are looked at for its samples
KINDS = ((1, 8), (1, 16), (1, 24), (1, 32), (3, 32))  # code and bits of a sample: unsigned, signed, floats
FLOOR = 1e-6  # added to energies: the logarithm of silence


def as_wav(data: bytes, name: str = "the sound") -> bytes:
    """WAV bytes as they are, FLAC bytes as WAV.

    Raises:
        InputError: they are neither, or the FLAC is damaged, or soundfile is missing.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return data
    if data[:4] != b"fLaC":
        raise InputError(f"{name} is neither WAV nor FLAC: it has {len(data):,} bytes and begins with {data[:4]!r}")
    errors.needs("soundfile", extra="speech", purpose="reading FLAC")
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise InputError(f"{name} cannot be read as FLAC: {error}") from error
    return to_wav(samples.mean(axis=1), rate)


def to_wav(samples: np.ndarray, rate: int) -> bytes:
    """float[N] from -1 to 1 as a mono WAV file of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, rate, 0, "NONE", ""))
        wav.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


@tf.function(reduce_retracing=True, autograph=False)
def decode(data: tf.Tensor, *, rate: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The samples of WAV files at one rate.

    Args:
        data: string[B].
    Returns:
        float32[B, N] from -1 to 1, right-padded with 0; and int32[B], how many of each row are real.
    Raises:
        tf.errors.InvalidArgumentError: not a WAV file, or one that is empty, damaged, longer than 15 minutes, or of
            another kind, such as compressed; the message says which.
    """

    def one(data: tf.Tensor) -> tf.Tensor:
        samples, own = samples_of(data)
        return tf.cond(own == rate, lambda: samples, lambda: resample(samples, own, rate))

    rows = tf.map_fn(
        one, data, fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, ragged_rank=0), parallel_iterations=2
    )
    return rows.to_tensor(), tf.cast(rows.row_lengths(), tf.int32)


def refusal(names: tf.Tensor, data: tf.Tensor, *, rate: int) -> InputError:
    """Names the first file that cannot be decoded, and says why; string[B] each."""
    for name, one in zip(names.numpy(), data.numpy(), strict=True):
        try:
            decode(tf.constant([one]), rate=rate)
        except tf.errors.InvalidArgumentError as error:
            found = re.search(r"assertion failed: \[(.*?)\]", error.message)
            reason = found[1] if found else error.message.splitlines()[0]
            return InputError(f"{name.decode()}: {reason}; take it out of the list")
    return InputError("these sounds cannot be read together")


def samples_of(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The samples of one WAV file, its channels averaged, and its rate on a grid of 25 Hz.

    Args:
        data: string[].
    Returns:
        float32[N], N ≥ 1, from -1 to 1; int32[].
    Raises:
        tf.errors.InvalidArgumentError: see `decode`.
    """
    size = tf.strings.length(data)

    def number(place: tf.Tensor, count: int) -> tf.Tensor:
        """`count` bytes as an integer, the lowest first; 0 behind the end."""
        part = tf.strings.substr(data + b"\0\0\0\0", tf.minimum(place, size), count)
        values = tf.cast(tf.io.decode_raw(part, tf.uint8), tf.int64)
        return tf.reduce_sum(values * [256**i for i in range(count)])

    def chunk(place, form, start, length):
        name = tf.strings.substr(data, place, 4)
        most = size - place - 8  # a file may end too early, or say 2**32 - 1 because it is not finished
        told = tf.cast(tf.minimum(number(place + 4, 4), tf.cast(most, tf.int64)), tf.int32)
        found = name == b"data"
        return (
            place + 8 + told + told % 2,
            tf.where(name == b"fmt ", place + 8, form),
            tf.where(found, place + 8, start),
            tf.where(found, told, length),
        )

    def more(place, form, start, length):
        return (place + 8 <= size) & (start == 0)

    head = [tf.strings.substr(data + b" " * 12, place, 4) for place in (0, 8)]
    known = (head[0] == b"RIFF") & (head[1] == b"WAVE")
    size = _checked(size, known, "expected the bytes of a WAV file, which begin with RIFF and WAVE")
    _, form, start, length = tf.while_loop(more, chunk, (12, 0, 0, 0), maximum_iterations=CHUNKS)
    form = _checked(form, (form > 0) & (start > 0), "the WAV file has no samples: its fmt or data part is missing")
    code, channels, rate, bits = number(form, 2), number(form + 2, 2), number(form + 4, 4), number(form + 14, 2)
    code = tf.where(code == 0xFFFE, number(form + 24, 2), code)  # an extensible header has the code further on
    kinds = tf.reduce_all(tf.constant(KINDS, tf.int64) == tf.stack([code, bits]), axis=1)
    wanted = "expected WAV samples as integers of 8, 16, 24 or 32 bits or floats of 32; got code and bits"
    bits = _checked(bits, tf.reduce_any(kinds), wanted, code, bits)
    channels = _checked(channels, channels > 0, "the WAV file has no channel")
    known = (rate >= SLOWEST) & (rate <= FASTEST)
    rate = _checked(rate, known, f"expected a rate of {SLOWEST} to {FASTEST} Hz; got", rate)
    count = tf.cast(length, tf.int64) // (bits // 8 * channels)
    count = _checked(count, count > 0, "the WAV file is empty: it has no samples")
    short = count <= LONGEST * rate
    count = _checked(count, short, f"expected a sound of at most {LONGEST} seconds; got", count // rate)
    part = tf.strings.substr(data, start, tf.cast(count * bits // 8 * channels, tf.int32))

    def raw(dtype: tf.DType) -> tf.Tensor:
        return tf.cast(tf.io.decode_raw(part, dtype), tf.float32)

    def three_bytes() -> tf.Tensor:
        value = tf.cast(tf.reshape(tf.io.decode_raw(part, tf.uint8), [-1, 3]), tf.int32)
        value = value[:, 0] + 256 * value[:, 1] + 65_536 * value[:, 2]
        return tf.cast(value - 2**24 * tf.cast(value >= 2**23, tf.int32), tf.float32) / 2**23

    values = tf.switch_case(
        tf.argmax(tf.cast(kinds, tf.int32), output_type=tf.int32),
        [
            lambda: (raw(tf.uint8) - 128) / 128,
            lambda: raw(tf.int16) / 2**15,
            three_bytes,
            lambda: raw(tf.int32) / 2**31,
            lambda: raw(tf.float32),
        ],
    )
    samples = tf.reduce_mean(tf.reshape(values, tf.stack([count, channels])), axis=1)
    finite = tf.reduce_all(tf.math.is_finite(samples))
    samples = _checked(samples, finite, "the WAV file has a sample that is NaN or infinite")
    return samples, tf.cast((rate + GRID // 2) // GRID * GRID, tf.int32)


def _checked(value: tf.Tensor, condition: tf.Tensor, *message) -> tf.Tensor:
    """`value`, which nothing can use before the condition has been found true."""
    with tf.control_dependencies([tf.debugging.Assert(condition, list(message))]):
        return tf.identity(value)


def resample(samples: tf.Tensor, rate: tf.Tensor, to: int) -> tf.Tensor:
    """Samples at another rate, by a windowed sinc filter that keeps what both rates can hold.

    The places of new samples between old ones repeat, so one matrix product of overlapping pieces does it.

    Args:
        samples: float32[N].
        rate: int32[], their rate; a multiple of 25 Hz, as `to` is.
    Returns:
        float32[ceil(N · to / rate)].
    """
    numbers = tf.range(1, FASTEST // GRID + 1)
    common = GRID * tf.reduce_max(tf.where((rate // GRID % numbers == 0) & (to // GRID % numbers == 0), numbers, 1))
    times = 1 + 256 // (rate // common)  # of the shortest repeated piece: fewer pieces, less overlap
    old, new = times * rate // common, times * (to // common)
    cutoff = tf.minimum(1.0, tf.cast(to, tf.float32) / tf.cast(rate, tf.float32))
    reach = tf.cast(tf.math.ceil(TAPS / cutoff), tf.int32)  # old samples on each side
    count = tf.cast(-(-tf.size(samples, tf.int64) * to // tf.cast(rate, tf.int64)), tf.int32)  # int64: the product
    pieces = -(-count // new)
    padded = tf.pad(samples, [[reach, tf.maximum(pieces * old + reach - tf.size(samples), 0)]])
    frames = tf.signal.frame(padded, old + 2 * reach, old)[:pieces]  # [pieces, old + 2 reach]
    place = tf.cast(tf.range(old + 2 * reach) - reach, tf.float64)
    wanted = tf.cast(tf.range(new), tf.float64) * tf.cast(rate, tf.float64) / to
    away = tf.cast(place[:, None] - wanted, tf.float32) * cutoff  # [old + 2 reach, new], in zero crossings
    window = tf.where(tf.abs(away) < TAPS, tf.cos(away * (np.pi / 2 / TAPS)) ** 2, 0.0)
    sinc = tf.math.divide_no_nan(tf.sin(np.pi * away), np.pi * away)
    weights = tf.where(away == 0, 1.0, sinc) * window * cutoff
    return tf.reshape(frames @ weights, [-1])[:count]


@codec.register(".json")
@dataclass(frozen=True)
class Features:
    """The features of frames: log energies in mel bands, their cosine transform (MFCC), or numbers from elsewhere.

    A mel band is as wide as the ear hears differences: Davis & Mermelstein 1980. Mel = 1127 ln(1 + Hz / 700).

    Args:
        rate: samples a second.
        kind: "logmel", "mfcc", or "given": computed elsewhere, so that there is no sound.
        bands: mel bands.
        coefficients: of the cosine transform that are kept; of "given", all features.
        window_ms, hop_ms: length of a frame, and the time from one to the next.
        low, high: the lowest and the highest frequency, in Hz; 0: half the rate.
    """

    rate: int
    kind: Literal["logmel", "mfcc", "given"] = "logmel"
    bands: int = 40
    coefficients: int = 13
    window_ms: float = 25.0
    hop_ms: float = 10.0
    low: float = 60.0
    high: float = 0.0

    @property
    def width(self) -> int:
        """Features of a frame."""
        return self.bands if self.kind == "logmel" else self.coefficients

    def __call__(self, samples: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Features of the frames that lie in each row; a row that is shorter than one frame is padded to one.

        Args:
            samples: float32[B, N], right-padded with 0.
            lengths: int32[B].
        Returns:
            float32[B, T, width], 0 on padding; and int32[B], the frames of each row, at least 1.
        """
        window, hop = (max(round(self.rate * ms / 1000), 1) for ms in (self.window_ms, self.hop_ms))
        samples = tf.pad(samples, [[0, 0], [0, tf.maximum(window - tf.shape(samples)[1], 0)]])
        size = 2 ** (window - 1).bit_length()
        power = tf.abs(tf.signal.stft(samples, window, hop, size)) ** 2  # [B, T, size / 2 + 1]
        mel = tf.signal.linear_to_mel_weight_matrix(
            self.bands, size // 2 + 1, self.rate, self.low, self.high or self.rate / 2
        )
        found = tf.math.log(tf.tensordot(power, mel, 1) + FLOOR)
        if self.kind == "mfcc":
            found = tf.signal.mfccs_from_log_mel_spectrograms(found)[..., : self.coefficients]
        frames = tf.maximum((lengths - window) // hop + 1, 1)
        real = tf.range(tf.shape(found)[1]) < frames[:, None]
        return tf.where(real[:, :, None], found, 0.0), frames

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        return cls(**json.loads(file.read_text(encoding="utf-8")))


def normalise(features: tf.Tensor, frames: tf.Tensor, *, least: float = 0.1) -> tf.Tensor:
    """Each feature of each row with mean 0 and standard deviation 1 over its real frames.

    It takes out the microphone and the loudness, and sees no other row.

    Args:
        features: float32[B, T, F]; frames: int32[B].
        least: smaller standard deviations count as this, so that silence stays 0.
    Returns:
        float32[B, T, F], 0 on padding.
    """
    real = tf.cast(tf.range(tf.shape(features)[1]) < frames[:, None], tf.float32)[:, :, None]
    count = tf.cast(tf.maximum(frames, 1), tf.float32)[:, None, None]
    centred = (features - tf.reduce_sum(features * real, axis=1, keepdims=True) / count) * real
    spread = tf.sqrt(tf.reduce_sum(centred**2, axis=1, keepdims=True) / count)
    return centred / tf.maximum(spread, least)


def running(features: tf.Tensor, frames: tf.Tensor, state: tf.Tensor, *, least: float = 0.1) -> tuple:
    """As `normalise`, but over the frames so far, so that a sound can be read as it arrives.

    Args:
        features, frames, least: as there.
        state: float32[B, 1 + 2 F], the number of frames before, their sum and the sum of their squares; at first zeros.
    Returns:
        float32[B, T, F], 0 on padding; and the state after the real frames.
    """
    real = tf.cast(tf.range(tf.shape(features)[1]) < frames[:, None], tf.float32)[:, :, None]
    parts = tf.concat([real, features * real, features**2 * real], axis=2)
    sums = tf.cumsum(parts, axis=1) + state[:, None]
    count, total, squares = tf.split(sums, [1, features.shape[2], features.shape[2]], axis=2)
    mean = total / tf.maximum(count, 1.0)
    spread = tf.sqrt(tf.maximum(squares / tf.maximum(count, 1.0) - mean**2, 0.0))
    return (features - mean) / tf.maximum(spread, least) * real, sums[:, -1]


def masked(
    features: np.ndarray, frames: np.ndarray, rng: np.random.Generator, *, times: int, bands: int, width: float = 0.1
) -> np.ndarray:
    """SpecAugment: random stretches of time and bands of features become 0 (Park et al. 2019, section 2).

    https://arxiv.org/abs/1904.08779, without warping.

    Args:
        features: float32[R, T, F] with mean 0.
        frames: int[R], the real frames of each row.
        times, bands: how many stretches and bands are blanked in each row.
        width: the longest stretch as a share of the row's frames; a band has at most a quarter of the features.
    """
    found = features.copy()
    for row, count in zip(found, frames, strict=True):
        for _ in range(times):
            size = int(rng.integers(0, max(int(count * width), 1) + 1))
            start = int(rng.integers(0, max(count - size, 0) + 1))
            row[start : start + size] = 0
        for _ in range(bands):
            size = int(rng.integers(0, row.shape[1] // 4 + 1))
            start = int(rng.integers(0, row.shape[1] - size + 1))
            row[:, start : start + size] = 0
    return found


def stretched(
    features: np.ndarray, frames: np.ndarray, rng: np.random.Generator, *, by: float
) -> tuple[np.ndarray, np.ndarray]:
    """Each row faster or slower by a random factor of at most 1 ± `by`; none grows longer than the array is.

    Args:
        features: float32[R, T, F]; frames: int[R].
    Returns:
        the same with frames interpolated along the time, 0 on padding; and the new numbers of frames.
    """
    found, counts = np.zeros_like(features), np.zeros_like(frames)
    for i, (row, count) in enumerate(zip(features, frames, strict=True)):
        longest = min(int(count * (1 + by)), len(row))
        counts[i] = size = int(rng.integers(max(int(np.ceil(count * (1 - by))), 1), longest + 1))
        place = np.linspace(0, count - 1, size)
        low = place.astype(np.int64)
        share = (place - low)[:, None].astype(features.dtype)
        found[i, :size] = row[low] * (1 - share) + row[np.minimum(low + 1, count - 1)] * share
    return found, counts
