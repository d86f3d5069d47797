"""Sound: every kind of WAV gives its samples, resampling and features equal independent formulas, faults are named."""

import io
import struct

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import tensorflow as tf

from zoo.data import audio
from zoo.errors import InputError

RATE = 8_000


def tone(hertz=440.0, seconds=0.25, rate=RATE, strength=0.5) -> np.ndarray:
    return (strength * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def wav(samples: np.ndarray, *, bits=16, code=1, rate=RATE, extensible=False, extra=b"", told=None) -> bytes:
    """float[N] or float[N, C] as WAV of any kind."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    if code == 3:
        data = samples.astype("<f4").tobytes()
    elif bits == 8:
        data = np.round(samples * 127 + 128).astype(np.uint8).tobytes()
    else:
        whole = np.round(samples.astype("float64") * (2 ** (bits - 1) - 1)).astype("<i4")
        data = whole.reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()
    channels, block = samples.shape[1], samples.shape[1] * bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else code, channels, rate, rate * block, block, bits)
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, code) + bytes(14)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + extra
    body += b"data" + struct.pack("<I", len(data) if told is None else told) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def decoded(*data: bytes, rate=RATE) -> list[np.ndarray]:
    samples, lengths = audio.decode(tf.constant(list(data)), rate=rate)
    return [row[:length] for row, length in zip(samples.numpy(), lengths.numpy(), strict=True)]


@pytest.mark.parametrize(
    ("kind", "atol"),
    [
        ({"bits": 8}, 1e-2),
        ({"bits": 16}, 1e-4),
        ({"bits": 24}, 1e-6),
        ({"bits": 32}, 1e-6),
        ({"bits": 32, "code": 3}, 0),
        ({"bits": 16, "extensible": True}, 1e-4),
        ({"bits": 16, "extra": b"LIST\3\0\0\0abc\0"}, 1e-4),  # an odd part has a byte more
        ({"bits": 16, "told": 2**32 - 1}, 1e-4),  # written to a pipe
    ],
)
def test_every_kind_of_wav_gives_its_samples(kind, atol):
    (found,) = decoded(wav(tone(), **kind))
    np.testing.assert_allclose(found, tone(), atol=max(atol, 1e-7))


def test_rows_keep_their_own_lengths_and_channels_are_averaged():
    stereo = np.stack([tone(), np.zeros_like(tone())], axis=1)
    one, two, three = decoded(wav(stereo), wav(tone(seconds=0.1)), audio.to_wav(tone()[:1], RATE))
    np.testing.assert_allclose(one, tone() / 2, atol=1e-4)
    assert (len(two), len(three)) == (800, 1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("to", [8_000, 16_000])
def test_resampling_keeps_a_tone_and_drops_what_the_rate_cannot_hold(rate, to):
    (found,) = decoded(wav(tone(700, rate=rate), bits=32, code=3, rate=rate), rate=to)
    assert len(found) == int(np.ceil(len(tone(rate=rate)) * to / rate))
    np.testing.assert_allclose(found[200:-200], tone(700, rate=to)[: len(found)][200:-200], atol=2e-3)
    if rate > 2 * to:
        (found,) = decoded(wav(tone(0.8 * to, rate=rate), bits=32, code=3, rate=rate), rate=to)
        assert np.abs(found[200:-200]).max() < 2e-3


def test_resampling_agrees_with_scipy():
    noise = np.random.default_rng(0).normal(size=4000).astype(np.float32) / 8
    smooth = scipy.signal.sosfiltfilt(scipy.signal.butter(8, 2500, fs=22_050, output="sos"), noise).astype(np.float32)
    (found,) = decoded(wav(smooth, bits=32, code=3, rate=22_050), rate=16_000)
    wanted = scipy.signal.resample_poly(smooth.astype("float64"), 320, 441, window=("kaiser", 8.0))
    np.testing.assert_allclose(found[100:-100], wanted[: len(found)][100:-100], atol=2e-3)


def mel(hertz):
    return 1127 * np.log(1 + np.asarray(hertz) / 700)


def log_mel(samples: np.ndarray, front: audio.Features) -> np.ndarray:
    """The formulas in float64: frames, periodic Hann window, power spectrum, triangles on the mel scale, logarithm."""
    window, hop = round(front.rate * front.window_ms / 1000), round(front.rate * front.hop_ms / 1000)
    size = 2 ** int(np.ceil(np.log2(window)))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    frames = [samples[i : i + window] * hann for i in range(0, len(samples) - window + 1, hop)]
    power = np.abs(np.fft.rfft(frames, size)) ** 2
    edges = np.linspace(mel(front.low), mel(front.high or front.rate / 2), front.bands + 2)
    bins = mel(np.arange(size // 2 + 1) * front.rate / size)
    up = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(np.minimum(up, down), 0)
    triangles[0] = 0  # the mean of the samples is no sound
    return np.log(power @ triangles + audio.FLOOR)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_log_mel_equals_the_formulas(rate):
    samples = np.random.default_rng(0).normal(size=rate // 2).astype(np.float32) / 8
    front = audio.Features(rate)
    found, frames = front(tf.constant(samples[None]), tf.constant([len(samples)]))
    wanted = log_mel(samples.astype("float64"), front)
    assert frames.numpy().tolist() == [len(wanted)] == [48]
    np.testing.assert_allclose(found[0], wanted, atol=1e-3)


def test_mfcc_is_the_cosine_transform_of_log_mel():
    samples = tf.constant(np.random.default_rng(0).normal(size=(1, 4000)).astype(np.float32))
    found, _ = audio.Features(RATE, "mfcc")(samples, tf.constant([4000]))
    bands, _ = audio.Features(RATE)(samples, tf.constant([4000]))
    wanted = scipy.fft.dct(bands.numpy(), norm="ortho")[..., :13]
    wanted[..., 0] *= np.sqrt(2)  # TensorFlow scales all of them alike
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_padding_and_neighbours_change_no_feature():
    noise = np.random.default_rng(0).normal(size=(2, RATE)).astype(np.float32) / 8
    long, short = noise[0, : RATE // 2], noise[1, : int(0.13 * RATE)]
    front = audio.Features(RATE)

    def features(*rows):
        samples, lengths = audio.decode(tf.constant([audio.to_wav(row, RATE) for row in rows]), rate=RATE)
        found, frames = front(samples, lengths)
        return audio.normalise(found, frames).numpy(), frames.numpy()

    together, frames = features(long, short)
    alone, _ = features(short)
    assert frames.tolist() == [48, 11]
    np.testing.assert_allclose(together[1, :11], alone[0], atol=1e-5)
    assert not together[1, 11:].any()
    np.testing.assert_allclose(alone[0].mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize("samples", [np.zeros(1), np.ones(1), np.zeros(RATE)])
def test_a_sample_and_silence_have_features(samples):
    found, lengths = audio.decode(tf.constant([audio.to_wav(samples, RATE)]), rate=RATE)
    features, frames = audio.Features(RATE)(found, lengths)
    assert frames.numpy()[0] == max((len(samples) - 200) // 80 + 1, 1)
    assert np.isfinite(audio.normalise(features, frames)).all()


def test_ten_minutes_are_decoded():
    quiet = np.random.default_rng(0).normal(size=600 * RATE).astype(np.float32) / 50
    (found,) = decoded(audio.to_wav(quiet, RATE), rate=16_000)
    assert len(found) == 600 * 16_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected the bytes of a WAV file"),
        (b"RIFF", "expected the bytes of a WAV file"),
        (b"no sound" * 9, "expected the bytes of a WAV file"),
        (wav(tone())[:30], "its fmt or data part is missing"),
        (wav(tone())[:44], "has no samples"),
        (wav(np.zeros(0)), "it has no samples"),
        (wav(tone(), code=85), "expected WAV samples as integers"),
        (wav(tone(), rate=1_000), "expected a rate of 4000 to 192000 Hz"),
        (wav(np.array([np.nan, 0, 1]), code=3, bits=32), "NaN or infinite"),
        (wav(np.zeros(8_000 * 901), bits=8), "at most 900 seconds"),
        (wav(np.zeros([4, 0])), "the WAV file has no channel"),
    ],
)
def test_what_cannot_be_read_is_named(data, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        audio.decode(tf.constant([data]), rate=RATE)


def test_random_bytes_are_answered_or_refused():
    rng = np.random.default_rng(0)
    good, refused = wav(tone(seconds=0.02)), 0
    decode = tf.function(lambda data: audio.decode(data, rate=RATE), input_signature=[tf.TensorSpec([None], tf.string)])
    for _ in range(300):
        data = bytearray(good)
        for place in rng.integers(0, 48, rng.integers(1, 4)):
            data[place] = rng.integers(256)
        try:
            samples, _ = decode(tf.constant([bytes(data[: rng.integers(1, len(data))])]))
            assert np.isfinite(samples).all()
        except tf.errors.InvalidArgumentError:
            refused += 1
    assert 0 < refused < 300


def test_flac_becomes_wav():
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, tone(), RATE, format="FLAC")
    (found,) = decoded(audio.as_wav(file.getvalue()))
    np.testing.assert_allclose(found, tone(), atol=1e-4)
    with pytest.raises(InputError, match=r"said\.flac cannot be read as FLAC"):
        audio.as_wav(file.getvalue()[:60], "said.flac")
    with pytest.raises(InputError, match=r"said\.mp3 is neither WAV nor FLAC"):
        audio.as_wav(b"ID3", "said.mp3")


def test_running_norms_see_no_later_frame_and_go_on_in_pieces():
    features = np.random.default_rng(0).normal(3, 2, size=(2, 50, 4)).astype(np.float32)
    frames = np.array([50, 20], np.int32)
    whole, _ = audio.running(tf.constant(features), tf.constant(frames), tf.zeros([2, 9]))
    for row, t in ((0, 7), (0, 49), (1, 19)):
        seen = features[row, : t + 1].astype("float64")
        np.testing.assert_allclose(whole[row, t], (seen[-1] - seen.mean(axis=0)) / seen.std(axis=0), atol=1e-4)
    assert not whole[1, 20:].numpy().any()
    state, pieces = tf.zeros([2, 9]), []
    for start in (0, 20):
        length = tf.clip_by_value(frames - start, 0, 30 if start else 20)
        piece, state = audio.running(tf.constant(features[:, start : 50 if start else 20]), length, state)
        pieces.append(piece)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, atol=1e-4)


def test_masks_and_stretches_keep_to_the_real_frames():
    rng = np.random.default_rng(0)
    features, frames = np.ones([20, 50, 8], np.float32), np.full(20, 40)
    features[:, 40:] = 0
    masked = audio.masked(features, frames, rng, times=2, bands=1)
    assert 0.5 < masked[:, :40].mean() < 1
    stretched, counts = audio.stretched(features, frames, rng, by=0.1)
    assert counts.min() >= 36
    assert counts.max() <= 44
    assert (stretched.sum(axis=(1, 2)) == counts * 8).all()
