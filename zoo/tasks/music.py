"""Music: a polyphonic piece in, how likely each note is out; it scores pieces, continues and harmonises them.

    python -m zoo.tasks.music                                      # bundled sample, cadences in four voices
    python -m zoo.tasks.music --data DIR                            # own MIDI files
    zoo predict RUN_DIR piece.mid --midi out.mid --wav out.wav      # continues the piece

Notes of each step, lowest first, and the step's end as tokens → embedding + chord before, notes below, beat → LSTM →
the same embedding, transposed, + intervals to the notes around → softmax over the tokens that can follow.
Boulanger-Lewandowski et al. 2012, https://arxiv.org/abs/1206.6392. Numbers and cost: tasks/music/card.md
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

from zoo import answers, baselines, layers, metrics, options, plots
from zoo.data import batching, cache, notes, sound, splits, text
from zoo.data import codec as codecs
from zoo.data.examples import Examples
from zoo.data.formats import midi, pieces
from zoo.data.samples import cadences
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import losses, optimizers

LONGEST = 4096  # steps that a question may ask for
PIECES = 100  # that are generated to compare with the test split
LIKELIEST, BEAMS = 10, 32  # next chords, and hypotheses of the search for them


@dataclass(frozen=True)
class Config(options.Forward, options.NextToken, options.Training):
    epochs: int = 12
    monitor: Literal["val_nll", "val_loss"] = "val_nll"
    form: Literal["stream", "documents"] = "documents"
    batch_tokens: int = 1024
    learning_rate: float = 5e-3
    temperature: float = 1.0
    top_p: float = 0.95
    grid: int = option(4, "steps of a quarter note, in MIDI files that are read or written", low=1, high=24, basic=True)
    bar: int = option(16, "steps of a bar", low=1, high=256, basic=True)
    transpose: int = option(
        0, "move each training piece by up to so many semitones, anew in each epoch", low=0, high=12
    )
    max_length: int = option(4000, "tokens of a piece that training reads, if each piece is read on its own", low=2)
    embedding: int = option(64, "size of a note's vector", low=1)
    reach: int = option(24, "semitones between a note and the notes that it is compared with; 0: no comparison", low=0)
    voices: int = option(12, "notes of a step that is written, at most", low=1, high=128)
    length: int = option(64, "steps that a piece is continued by, if a question does not say", low=1, high=LONGEST)
    primer: int = option(16, "steps of a test piece that are continued in pictures", low=0)
    particles: int = option(64, "drafts of a harmonisation", low=1, high=1024)
    tempo: int = option(60, "quarter notes per minute, in files that are written", low=10, high=400)


METRICS = (
    Metric("nll", better="min", format=".2f"),
    Metric("nll_by_piece", better="min", format=".2f"),
    Metric("nats_per_note", better="min", format=".3f"),
    Metric("frame_accuracy", better="max", format=".1%"),
)
SPLIT = splits.random()


def examples(cfg: Config, split: str) -> Examples | None:
    """{"piece": str, "name": str}; see `zoo.data.notes` for how a piece is written."""
    return pieces.pieces(cfg.data, split, sample=cadences.examples, grid=cfg.grid)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The tokens, with held notes if the data tells them apart, and how often each is a target."""
    tokens = notes.Notes.of(held=any(notes.HELD in example["piece"] for example in train))
    batches = text.in_batches(example["piece"] for example in train)
    targets = (text.insert(tokens.encode(batch), notes.END_ID, at="end") for batch in batches)
    return codecs.Codec(tokens=tokens, counts=text.TokenCounts.of(targets, len(tokens)))


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[dict | tf.RaggedTensor, tf.RaggedTensor]:
    ids = codec.tokens.encode(batch["piece"])
    if cfg.form == "documents":
        return text.framed(text.truncate(ids, cfg.max_length - 1, "head"), start=notes.END_ID, end=notes.END_ID)
    before, after = text.framed(ids, start=notes.END_ID, end=notes.END_ID)
    return {"tokens": before, "fresh": tf.ones([before.nrows()], tf.int32)}, after


def plan(cfg: Config, cache: cache.Cache, *, longest=None, **how) -> batching.Planned:
    planned = batching.documents_or_streams(cfg, cache, longest=longest, **how)
    if cfg.transpose:
        planned.augment = functools.partial(transposed, cfg)
    return planned


def transposed(cfg: Config, found: tuple, rows: np.ndarray, epoch: int, number: int) -> tuple:
    """A training batch with each row in another key. A stream keeps its key for an epoch, because its state goes on."""
    x, y, weight = found
    rng = np.random.default_rng((cfg.seed, 3, epoch, 0 if cfg.form == "stream" else number))
    semitones = rng.integers(-cfg.transpose, cfg.transpose + 1, rows.max() + 1)[rows]
    before = x["tokens"] if isinstance(x, dict) else x
    before, y = np.split(notes.transpose(np.concatenate([before, y], axis=1), semitones), 2, axis=1)
    return ({**x, "tokens": before} if isinstance(x, dict) else before), y, weight


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    size, carry = len(codec.tokens), cfg.streams if cfg.form == "stream" else 0
    tokens = keras.Input([None], dtype="int32", name="tokens")  # [B, T]
    fresh = keras.Input([], dtype="int32", name="fresh") if carry else None  # [B], 1: the state is zero
    begin = {"fresh": fresh} if carry else {}
    embedding = layers.TokenEmbedding(size, cfg.embedding, token_counts=codec.counts.counts, name="embedding")
    context, allowed, before, now = layers.ChordContext(
        cfg.embedding,
        vocabulary=size,
        bar=cfg.bar,
        end=notes.END_ID,
        step=notes.STEP_ID,
        first=notes.FIRST_NOTE,
        carry=carry,
        name="context",
    )(tokens, **begin)  # [B, T, E], bool [B, T, V], [B, T, 128] twice
    encoder = layers.RecurrentEncoder.of(cfg, bidirectional=False, carry=carry, name="encoder")
    # Nothing masks the padding: it comes last in a row, so no real step sees it.
    steps, _ = encoder(embedding(tokens) + context, **begin)  # [B, T, units]
    steps = (keras.layers.SpatialDropout1D if cfg.variational else keras.layers.Dropout)(cfg.dropout)(steps)
    logits = embedding(keras.layers.Dense(cfg.embedding, name="projection")(steps), reverse=True)  # [B, T, V]
    if cfg.reach:
        intervals = layers.IntervalLogits(
            cfg.reach, copies=(size - notes.FIRST_NOTE) // notes.PITCHES, name="intervals"
        )
        logits = logits + keras.ops.pad(intervals(steps, before, now), ((0, 0), (0, 0), (notes.FIRST_NOTE, 0)))
    logits = keras.ops.where(allowed, logits, layers.notes.NEVER)
    composer = keras.Model({"tokens": tokens, **begin} if carry else tokens, logits, name="music")
    measured = [metrics.notes.NatsPerStep()]
    composer.compile(optimizers.adamw(cfg), losses.SequenceCrossentropy(), weighted_metrics=measured)
    return composer


def reader(cfg: Config, model: keras.Model) -> answers.next_token.NextToken:
    """The model as it answers: the state is that of the encoder, and the chords that it looks back at."""
    embedding, context, encoder, projection = map(model.get_layer, ("embedding", "context", "encoder", "projection"))

    def read_on(tokens, state, keep_mask):
        tokens = tokens if keep_mask is None else tf.where(keep_mask, tokens, 0)
        state, chords = tf.split(state, [encoder.state_size, context.state_size], axis=1)
        vectors, allowed, before, now, chords = context.resume(tokens, chords)
        steps, state = encoder.resume(embedding(tokens) + vectors, state, keep_mask)
        logits = embedding(projection(steps), reverse=True)
        if cfg.reach:
            logits += tf.pad(model.get_layer("intervals")(steps, before, now), [[0, 0], [0, 0], [notes.FIRST_NOTE, 0]])
        return tf.where(allowed, logits, layers.notes.NEVER), tf.concat([state, chords], axis=1)

    return answers.next_token.NextToken(read_on, encoder.state_size + context.state_size)


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    tokens, player = codec.tokens, reader(cfg, model)

    def text_input(name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None], tf.string, name=name)

    length, seed, bass = (tf.TensorSpec([None], tf.int32, name=name) for name in ("length", "seed", "bass"))
    temperature, top_p = (tf.TensorSpec([None], tf.float32, name=name) for name in ("temperature", "top_p"))

    def read(batch):
        """string[B] → int32[B, ragged], as the model reads them before the next note."""
        return text.insert(tokens.encode(batch, strict=True), notes.END_ID, at="start")

    @tf.function(autograph=False, input_signature=[text_input("primer"), length, temperature, top_p, seed])
    def compose(primer, length, temperature, top_p, seed):
        tf.debugging.Assert(tf.reduce_all(length <= LONGEST), [f"expected a length of at most {LONGEST} steps"])
        last, state = player.begin(read(primer))
        left = tf.maximum(length, 0)
        found = answers.search.sample(
            answers.harmony.limited(answers.search.without(player.step, [0]), cfg.voices),
            (state, left + tf.cast(last == notes.STEP_ID, tf.int32), tf.zeros_like(left)),
            last,
            end=notes.END_ID,
            max_length=left * (cfg.voices + 1) + 1,
            seeds=seed,
            temperature=temperature,
            top_k=cfg.top_k or None,
            top_p=top_p,
        )
        given = tokens.encode(primer).to_tensor()
        whole = tokens.decode(tf.concat([given, found.tokens], axis=1))
        return {"piece": whole, "given": notes.steps_of(given), "score": found.scores}

    @tf.function(autograph=False, input_signature=[text_input("piece")])
    def score(piece):
        before = read(piece)
        after = text.insert(before[:, 1:], notes.END_ID, at="end").to_tensor()
        measures = answers.next_token.log_probability, answers.next_token.likeliest
        found, likeliest = player.measure(before.to_tensor(), after, *measures)
        each = metrics.notes.by_step(after, found, likeliest)
        steps = notes.steps_of(after)
        nats = tf.reduce_sum(each["nats"], axis=1)
        played = tf.cast(tf.reduce_sum(each["notes"], axis=1), tf.float32)
        return {
            "tokens": tokens.lookup(after),
            "log_probabilities": found,
            "lengths": tf.math.count_nonzero(after, axis=1, dtype=tf.int32),
            "nll": tf.math.divide_no_nan(nats, tf.cast(steps, tf.float32)),
            "nats_per_note": tf.math.divide_no_nan(nats, played),
            **each,
            **{f"{name}_lengths": steps for name in each},
        }

    @tf.function(autograph=False, input_signature=[text_input("melody"), bass, temperature, seed])
    def harmonise(melody, bass, temperature, seed):
        given = tokens.encode(melody, strict=True).to_tensor()
        found = answers.harmony.harmonise(
            answers.search.without(player.step, [0, notes.END_ID]),
            player.start(tf.shape(given)[0]),
            notes.outer_voice(given, bass != 0),
            notes.steps_of(given),
            top=bass == 0,
            seeds=seed,
            temperature=temperature,
            particles=cfg.particles,
            voices=cfg.voices,
        )
        return {"piece": tokens.decode(found.tokens), "score": found.log_probability}

    @tf.function(autograph=False, input_signature=[text_input("piece")])
    def following(piece):
        last, state = player.begin(read(piece))
        found = answers.search.beam(
            answers.search.without(player.step, [0, notes.END_ID]),  # if the piece goes on
            state,
            last,
            end=notes.STEP_ID,
            max_length=cfg.voices + 1,
            beams=BEAMS,
            n_best=LIKELIEST,
            length_penalty=0.0,
        )
        return {"chords": tokens.decode(found.tokens), "probabilities": tf.exp(found.scores)}

    return answers.service.Service(
        codec,
        model,
        defaults={
            "length": cfg.length,
            "temperature": cfg.temperature,
            "top_p": cfg.top_p,
            "seed": cfg.seed,
            "bass": 0,
        },
        serving_default=compose,
        score=score,
        harmonise=harmonise,
        next=following,
        step=player.live(),
    )


def questions(cfg: Config, codec: codecs.Codec, word: str) -> Iterable[dict]:
    """A MIDI file, or a piece as text: a primer, a piece to score, or the melody of a harmonisation."""
    piece = notes.write(midi.read(Path(word), grid=cfg.grid)) if word.lower().endswith(pieces.MIDI) else word
    yield dict.fromkeys(("primer", "piece", "melody"), piece)


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:
    return metrics.notes.scores(answers)


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> list[baselines.Baseline]:
    known, asked = ([example["piece"] for example in found] for found in (train, test))

    def ids(found: list[str]) -> list[np.ndarray]:
        return [
            np.append(row, notes.END_ID).astype(np.int32) for row in codec.tokens.encode(tf.constant(found)).to_list()
        ]

    return [
        baselines.notes.independent(known, asked),
        baselines.notes.markov(known, asked),
        baselines.notes.ngrams(ids(known), ids(asked), size=len(codec.tokens)),
    ]


def quality(example: dict, answer: dict) -> float:
    """The mean probability of a note, by the geometric mean."""
    return float(np.exp(-answer["nats_per_note"]))


def show(example: dict, answer: dict) -> str:
    if "nll" in answer:
        per_note = f"{answer['nll']:.2f} nats per step, {answer['nats_per_note']:.2f} per note"
        return f"{example.get('name', 'piece')}: {per_note}, {len(answer['nats'])} steps"
    if "chords" in answer:
        best = zip(answer["chords"], answer["probabilities"], strict=True)
        return ", ".join(
            f"{chord.removesuffix(notes.STEP).strip() or 'silence'} {chance:.2f}" for chord, chance in best
        )
    return answer["piece"]


def composed(run, question: dict) -> tuple[list[notes.Span], int]:
    """The notes of the answer to a question, or of a continued test piece, and the steps that were given."""
    primer = question["primer"] if "primer" in question else notes.head(question["piece"], run.cfg.primer)
    (answer,) = run.predict([{**question, "primer": primer}], signature="serving_default")
    return notes.spans(answer["piece"], join=not run.codec.tokens.held), answer["given"]


def write_midi(run, question: dict, path: Path) -> None:
    midi.write(composed(run, question)[0], path, grid=run.cfg.grid, tempo=run.cfg.tempo)


def write_wav(run, question: dict, path: Path) -> None:
    sound.write(sound.synthesise(composed(run, question)[0], seconds=60 / run.cfg.tempo / run.cfg.grid), path)


def draw_roll(run, question: dict, path: Path) -> None:
    spans, given = composed(run, question)
    plots.piano_roll.notes(spans, path, given=given, bar=run.cfg.bar, title=str(question.get("name", "")))


def draw_probabilities(run, question: dict, path: Path) -> None:
    """How likely each note of the piece in the question was."""
    (answer,) = run.predict([{"piece": question["piece"]}], signature="score")
    step, found = 0, []
    for token, log_prob in zip(answer["tokens"], answer["log_probabilities"], strict=True):
        if token == notes.STEP:
            step += 1
        elif token != text.END:
            found.append((step, int(token.removesuffix(notes.HELD)), float(np.exp(log_prob))))
    title = str(question.get("name", ""))
    plots.piano_roll.probabilities(found, path, nats=answer["nats"], bar=run.cfg.bar, title=title)


ARTIFACTS = {
    "midi.mid": write_midi,
    "wav.wav": write_wav,
    "piano-roll.png": draw_roll,
    "probabilities.png": draw_probabilities,
}


def draw(run, answers: list[dict], examples: Examples) -> None:
    """Writes a table of how generated pieces repeat and move, beside the beginnings of the split's pieces."""
    asked = [{"primer": "", "seed": seed} for seed in range(PIECES)]
    written = [answer["piece"] for answer in run.predict(asked, signature="serving_default")]
    real = [notes.head(example["piece"], run.cfg.length) for example in examples]
    rows = [
        {"pieces": name, **metrics.notes.statistics(found)} for name, found in (("generated", written), ("test", real))
    ]
    plots.tables.write(rows, run.directory / "plots" / "statistics.csv")


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="music"))
