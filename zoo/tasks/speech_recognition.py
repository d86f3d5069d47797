"""Speech recognition: a sound file in, its text out, with the time at which each symbol begins.

    python -m zoo.tasks.speech_recognition                          # bundled sample, spoken digits by made-up voices
    python -m zoo.tasks.speech_recognition --data DIR                # own WAV or FLAC files and a list of texts
    zoo predict RUN_DIR said.wav --spectrogram FILE.png

Samples → log-mel frames, normalised per recording → a few frames make a step → stacked BiLSTM → CTC over characters or
words → greedy, beam search, or a search for words of a lexicon. Graves et al. 2006, section 4.1,
https://www.cs.toronto.edu/~graves/icml_2006.pdf. Numbers and cost: tasks/speech_recognition/card.md
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from zoo import answers, baselines, errors, layers, metrics, options, plots
from zoo.data import audio, batching, cache, lexicon, remarks, splits, text
from zoo.data import codec as codecs
from zoo.data.examples import Examples
from zoo.data.formats import recordings
from zoo.data.samples import digits
from zoo.errors import InputError
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import callbacks, losses, optimizers


@dataclass(frozen=True)
class Config(options.Recurrent, options.Training):
    epochs: int = 15
    monitor: Literal["val_wer", "val_cer", "val_loss"] = "val_wer"
    patience: int = 8
    batch_tokens: int = 1500
    shapes: int = 4
    learning_rate: float = 6e-3
    layers: int = 2
    dropout: float = 0.2
    audio_column: str = option("audio", "column with the name of the sound file", basic=True)
    text_column: str = option("text", "column with the text that is said", basic=True)
    speaker_column: str = option("speaker", "column with the speaker; held-out splits take whole speakers", basic=True)
    test_speakers: str = option("", "speakers of the test split, joined by commas, whatever the list says")
    join: str = option("", "join recordings of a speaker, such as 3-7 at a time, with gaps; empty: as they are")
    joined: int = option(100, "how many such strings each speaker says", low=1)
    symbols: Literal["characters", "words"] = option("characters", "the units of the text", basic=True)
    rate: int = option(16_000, "samples a second; sounds of another rate are resampled", low=4_000, high=48_000)
    features: Literal["logmel", "mfcc"] = option("logmel", "the features of a frame, if the data is sound")
    bands: int = option(40, "mel bands", low=4, high=128)
    window_ms: float = option(25.0, "length of a frame in milliseconds", low=2, high=200)
    hop_ms: float = option(10.0, "milliseconds from one frame to the next, also of given features", low=1, high=100)
    normalise: Literal["recording", "running"] = option(
        "recording", "features have mean 0 over the whole recording, or over its frames so far"
    )
    stack: int = option(3, "frames that make one step", low=1, high=16, basic=True)
    before: int = option(1, "earlier steps whose frames a step has too", low=0, high=8)
    time_masks: int = option(2, "stretches of a recording that training blanks (SpecAugment)", low=0)
    feature_masks: int = option(2, "bands of features that training blanks", low=0)
    stretch: float = option(0.1, "training speaks up to this share faster or slower", low=0, high=0.5)
    decode: Literal["greedy", "beam", "lexicon"] = option(
        "greedy", "the likeliest alignment, the likeliest text, or the best words of a lexicon", basic=True
    )
    beams: int = option(16, "prefixes that a search keeps", low=1, high=512)
    lexicon: str = option("", "file whose lines begin with a word that may be written besides those of training")


METRICS = (Metric("wer", better="min", format=".1%"), Metric("cer", better="min", format=".1%"))
SPLIT = splits.by_group("speaker")
WEIGHTS, BONUSES = (0.0, 0.5, 1.0, 1.5, 2.0), (-1.0, 0.0, 1.0, 2.0, 4.0)  # of a lexicon, tried on validation


def columns(cfg: Config) -> recordings.Columns:
    return recordings.Columns(cfg.audio_column, cfg.text_column, cfg.speaker_column)


def examples(cfg: Config, split: str) -> Examples | None:
    """{"audio": name, "audio_bytes": WAV or "features": float32[T, F], "text": str, "speaker": str}."""
    try:
        fewest, _, most = cfg.join.partition("-")
        join = (int(fewest), int(most or fewest)) if cfg.join else (1, 1)
        if not 1 <= join[0] <= join[1]:
            raise ValueError
    except ValueError:
        raise InputError(f"--join {cfg.join!r}: expected the fewest and the most recordings, such as 3-7") from None
    return recordings.recordings(
        cfg.data,
        split,
        sample=digits.examples,
        columns=columns(cfg),
        test_speakers=[name.strip() for name in cfg.test_speakers.split(",") if name.strip()],
        join=join,
        joined=cfg.joined,
    )


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The symbols, how features are made of a sound, and with --decode lexicon the words and their bigrams."""
    errors.needs("jiwer", extra="speech")  # it scores each epoch's transcripts; ask before training
    texts = [example["text"] for example in train]
    symbols = text.Vocabulary(
        sorted({symbol for one in texts for symbol in (one.split() if cfg.symbols == "words" else one)})
    )
    first = next(iter(train))
    given = {"kind": "given", "coefficients": first["features"].shape[1]} if "features" in first else {}
    front = {"kind": cfg.features, "bands": cfg.bands, "window_ms": cfg.window_ms, "hop_ms": cfg.hop_ms}
    parts = {"symbols": symbols, "features": audio.Features(cfg.rate, **front | given)}
    if cfg.decode == "lexicon":
        if cfg.symbols == "words":
            raise InputError("--decode lexicon spells words: it needs --symbols characters")
        more = lexicon.read(cfg.lexicon) if cfg.lexicon else []
        parts["lexicon"] = lexicon.Lexicon.of(texts, symbols.tokens, more)
    return codecs.Codec(**parts)


def inputs(cfg: Config, features: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
    """float32[B, T, 1 + F]: 1 at real frames, and the features, normalised for each recording."""
    real = tf.cast(tf.range(tf.shape(features)[1]) < frames[:, None], tf.float32)[:, :, None]
    if cfg.normalise == "recording":
        return tf.concat([real, audio.normalise(features, frames)], axis=2)
    nothing = tf.zeros([tf.shape(features)[0], 1 + 2 * features.shape[2]])
    return tf.concat([real, audio.running(features, frames, nothing)[0]], axis=2)


def heard(codec: codecs.Codec, audio_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """WAV files, string[B], as features float32[B, T, F], and the frames of each, int32[B]."""
    return codec.features(*audio.decode(audio_bytes, rate=codec.features.rate))


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Frames, and the symbols that are said. Each text ends with -1, as padding does, so that none is empty."""
    if "features" in batch:
        frames = tf.cast(batch["features"].row_lengths(), tf.int32)
        x = inputs(cfg, batch["features"].to_tensor(), frames)
    else:
        try:
            features, frames = heard(codec, batch["audio_bytes"])
        except tf.errors.InvalidArgumentError:
            raise audio.refusal(batch["audio"], batch["audio_bytes"], rate=codec.features.rate) from None
        x = inputs(cfg, features, frames)
    apart = tf.strings.split if cfg.symbols == "words" else characters
    said = codec.symbols(apart(batch["text"]))
    if remarks.wanted():
        steps = -(-frames // cfg.stack)
        needed = layers.ctc.steps_needed(said.to_tensor(-1))
        count = tf.math.count_nonzero
        remarks.note("texts longer than their sound, left out", int(count(needed > steps)), of=len(steps))
        remarks.note("symbols that training does not have, left out", int(count(said.values < 0)), of=len(said.values))
    y = text.insert(tf.ragged.boolean_mask(said, said >= 0), -1, at="end")
    return tf.RaggedTensor.from_tensor(x, lengths=frames), y


def characters(texts: tf.Tensor) -> tf.RaggedTensor:
    return tf.strings.unicode_split(texts, "UTF-8")


def plan(cfg: Config, cache: cache.Cache, *, longest=None, **how) -> batching.Planned:
    planned = batching.bucketed(cfg, cache, longest=longest, **how)
    planned.augment = functools.partial(augmented, cfg)
    return planned


def augmented(cfg: Config, found: tuple, rows: np.ndarray, epoch: int, number: int) -> tuple:
    """A training batch, spoken faster or slower and with blanked stretches and bands, anew in each epoch."""
    x, y, weight = found
    frames, features = x[:, :, 0].sum(axis=1).astype(int), x[:, :, 1:]
    parts = []
    for row, place in enumerate(rows):  # each draws its own, so that devices may share a batch
        rng = np.random.default_rng((cfg.seed, 3, epoch, number, place))
        one, count = features[row : row + 1], frames[row : row + 1]
        if cfg.stretch:
            one, count = audio.stretched(one, count, rng, by=cfg.stretch)
        one = audio.masked(one, count, rng, times=cfg.time_masks, bands=cfg.feature_masks)
        real = (np.arange(one.shape[1]) < count[0]).astype(np.float32)
        parts.append(np.concatenate([real[:, None], one[0]], axis=1))
    return np.stack(parts), y, weight


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    frames = keras.Input([None, 1 + codec.features.width], name="frames")  # [B, T, 1 + F]
    keep_mask = frames[:, :, 0] > 0  # True = real frame
    stack = layers.StackFrames(cfg.stack, before=cfg.before, name="stack")
    steps, keep_mask = stack(frames[:, :, 1:], keep_mask)  # [B, T / stack, F of all frames]
    steps, _ = layers.RecurrentEncoder.of(cfg, name="encoder")(steps, keep_mask)  # [B, T / stack, 2 * units]
    steps = keras.layers.Dropout(cfg.dropout, name="dropout")(steps)
    scores = keras.layers.Dense(len(codec.symbols) + 1, dtype="float32", name="scores")(steps)
    log_probs = layers.ctc.CTC(len(codec.symbols), name="ctc")(scores, keep_mask)
    network = keras.Model(frames, log_probs, name="speech_recognition")
    network.compile(optimizers.adamw(cfg), losses.CTCLoss())
    return network


def search(cfg: Config, codec: codecs.Codec, model: keras.Model, log_probs: tf.Tensor) -> tf.Tensor:
    """The symbols of each text, int32[B, L], -1 on padding."""
    if cfg.decode == "greedy":
        return answers.transcripts.greedy(log_probs)
    if cfg.decode == "beam":
        return answers.transcripts.beam(log_probs, beams=cfg.beams)
    ctc = model.get_layer("ctc")
    return answers.transcripts.words(
        log_probs, codec.lexicon, weight=ctc.word_weight.value, bonus=ctc.word_bonus.value, beams=cfg.beams
    )


def spelled(cfg: Config, codec: codecs.Codec, symbols: tf.Tensor) -> tf.Tensor:
    """int32[B, L] → string[B]."""
    found = tf.where(symbols >= 0, codec.symbols.lookup(tf.maximum(symbols, 0)), "")
    return tf.strings.strip(tf.strings.reduce_join(found, axis=1, separator=" " if cfg.symbols == "words" else ""))


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    files = tf.TensorSpec([None], tf.string, name="audio_bytes")
    features = tf.TensorSpec([None, None, codec.features.width], tf.float32, name="features")
    frames = tf.TensorSpec([None], tf.int32, name="frames")

    def answer(features, frames):
        log_probs = model(inputs(cfg, features, frames), training=False)
        symbols = search(cfg, codec, model, log_probs)
        starts = layers.ctc.align(symbols, log_probs)
        found = {
            "text": spelled(cfg, codec, symbols),
            "score": -layers.ctc.text_nll(symbols, log_probs),
            "symbols": tf.where(symbols >= 0, codec.symbols.lookup(tf.maximum(symbols, 0)), ""),
            "times": tf.cast(starts * cfg.stack, tf.float32) * (cfg.hop_ms / 1000),
            "lengths": tf.math.count_nonzero(symbols >= 0, axis=1, dtype=tf.int32),
        }
        if cfg.decode != "greedy":
            found["greedy"] = spelled(cfg, codec, answers.transcripts.greedy(log_probs))
        return found

    def probabilities(features, frames):
        log_probs = model(inputs(cfg, features, frames), training=False)
        return {"probabilities": tf.exp(log_probs), "lengths": layers.ctc.steps_of(log_probs)}

    def of_features(function):
        return tf.function(function, input_signature=[features, frames], autograph=False)

    def of_files(function):
        @tf.function(input_signature=[files], autograph=False)
        def whole(audio_bytes):
            return function(*heard(codec, audio_bytes))

        return whole

    signatures = {"serving_default": of_features(answer), "posteriors": of_features(probabilities)}
    if codec.features.kind != "given":
        files_first = {"serving_default": of_files(answer), "posteriors": of_files(probabilities)}
        signatures = files_first | {"features": of_features(answer)}
    if not cfg.bidirectional and cfg.normalise == "running":
        signatures["step"] = live(cfg, codec, model)
    defaults = {"frames": lambda asked: len(asked["features"])}
    return answers.service.Service(codec, model, defaults=defaults, **signatures)


def live(cfg: Config, codec: codecs.Codec, model: keras.Model):
    """The signature for speech as it arrives, in pieces of a multiple of `stack` frames."""
    listener = answers.listening.Listener(model, codec.features)
    given = codec.features.kind == "given"
    shape, name = ([None, None, codec.features.width], "features") if given else ([None, None], "samples")
    state = tf.TensorSpec([None, listener.state_size], tf.float32, name="state")

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name=name), state], autograph=False)
    def step(piece, state):
        log_probs, new, state = listener(piece, state)
        symbols = tf.where(new >= 0, codec.symbols.lookup(tf.maximum(new, 0)), "")
        return {"symbols": symbols, "probabilities": tf.exp(log_probs), "state": state}

    return step


def questions(cfg: Config, codec: codecs.Codec, path: str) -> Iterable[dict]:
    """A sound file, a list of sound files, or an array of features `.npy`."""
    return recordings.questions(Path(path), columns(cfg))


def in_batches(run, examples: Examples) -> batching.Batches:
    encoded = cache.encode(examples, lambda batch: encode(run.cfg, run.codec, batch))
    return batching.bucketed(run.cfg, encoded, seed=None)


def watch(run, validation: Examples) -> list[keras.callbacks.Callback]:
    """Transcribes validation after each epoch, greedily, which takes little time."""
    batches = in_batches(run, validation)
    truth = [example["text"] for example in validation]

    @tf.function(input_signature=[tf.TensorSpec([None, None, 1 + run.codec.features.width])], autograph=False)
    def transcribe(frames):
        return spelled(run.cfg, run.codec, answers.transcripts.greedy(run.model(frames, training=False)))

    def free_running() -> dict[str, float]:
        said = [""] * len(truth)
        for number, batch in enumerate(batches.planned):
            found = answers.service.to_python(transcribe(batches[number][0]).numpy())
            for row, one in zip(batch.rows, found, strict=True):
                if row >= 0:  # not a dummy
                    said[row] = one
        return metrics.transcripts.scores(said, truth=truth)

    return [callbacks.FreeRunning(free_running)]


def finish(run, validation: Examples) -> dict[str, float]:
    """Chooses on validation how much the bigrams count, and the bonus of a word."""
    if run.cfg.decode != "lexicon":
        return {}
    batches = in_batches(run, validation)
    outputs = [run.model.predict_on_batch(batches[number][0]) for number in range(len(batches.planned))]
    truth = np.array([example["text"] for example in validation])
    rows = np.concatenate([batch.rows for batch in batches.planned])

    @tf.function(autograph=False, reduce_retracing=True)
    def transcribe(log_probs, weight, bonus):
        how = {"weight": weight, "bonus": bonus, "beams": run.cfg.beams}
        return spelled(run.cfg, run.codec, answers.transcripts.words(log_probs, run.codec.lexicon, **how))

    def wer(weight: float, bonus: float) -> float:
        pair = tf.constant(weight), tf.constant(bonus)
        said = np.concatenate([transcribe(tf.constant(one), *pair).numpy() for one in outputs])[rows >= 0]
        return metrics.transcripts.scores(answers.service.to_python(said), truth=truth[rows[rows >= 0]])["wer"]

    found = {(weight, bonus): wer(weight, bonus) for weight in WEIGHTS for bonus in BONUSES}
    weight, bonus = min(found, key=lambda pair: found[pair])
    ctc = run.model.get_layer("ctc")
    ctc.word_weight.assign(weight)
    ctc.word_bonus.assign(bonus)
    return {"word_weight": weight, "word_bonus": bonus, "val_wer_lexicon": found[weight, bonus]}


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:
    truth = [example["text"] for example in examples]
    found = metrics.transcripts.scores([answer["text"] for answer in answers], truth=truth)
    if "greedy" in answers[0]:  # a baseline has none
        found["greedy_wer"] = metrics.transcripts.scores([answer["greedy"] for answer in answers], truth=truth)["wer"]
    return found


def features_of(codec: codecs.Codec, example: dict) -> np.ndarray:
    """float32[T, F] of one recording, normalised."""
    if "features" in example:
        features, frames = example["features"][None], [len(example["features"])]
    else:
        features, frames = heard(codec, tf.constant([example["audio_bytes"]]))
    return audio.normalise(tf.constant(features), tf.constant(frames))[0].numpy()


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> list[baselines.Baseline]:
    texts = [example["text"] for example in train]
    known, asked = ([features_of(codec, example) for example in found] for found in (train, test))
    return [
        baselines.transcripts.nearest(known, texts, asked),
        baselines.transcripts.constant(texts, len(asked)),
    ]


def quality(example: dict, answer: dict) -> float:
    """1 − the word error rate of this recording, at least 0."""
    return max(1 - metrics.transcripts.scores([answer["text"]], truth=[example["text"]])["wer"], 0.0)


def show(example: dict, answer: dict) -> str:
    truth = f" (said: {example['text']})" if example.get("text", answer["text"]) != answer["text"] else ""
    return f"{example.get('audio', 'sound')}: {answer['text']}{truth}"


def draw_spectrogram(run, question: dict, path: Path) -> None:
    """The features of a sound with the symbols where they begin."""
    (answer,) = run.predict([question])
    features = features_of(run.codec, question)
    how = {"symbols": answer["symbols"], "times": answer["times"], "truth": question.get("text", "")}
    plots.speech.aligned(features, path, seconds=run.cfg.hop_ms / 1000, **how)


def draw_posteriors(run, question: dict, path: Path) -> None:
    (answer,) = run.predict([question], signature="posteriors")
    seconds = run.cfg.stack * run.cfg.hop_ms / 1000
    plots.speech.posteriors(np.array(answer["probabilities"]), path, classes=run.codec.symbols.tokens, seconds=seconds)


ARTIFACTS = {"spectrogram.png": draw_spectrogram, "posteriors.png": draw_posteriors}


def draw(run, answers: list[dict], examples: Examples) -> None:
    """Writes the error rates of each speaker."""
    speakers, truth = zip(*((example["speaker"], example["text"]) for example in examples), strict=True)
    rows = metrics.transcripts.by_speaker([answer["text"] for answer in answers], truth=truth, speakers=speakers)
    plots.tables.write(rows, run.directory / "plots" / "speakers.csv")


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="speech_recognition"))
