"""A recurrent encoder once more, in plain steps, with everything that happens inside: states, gates, attention."""

from typing import Any, NamedTuple

from keras import ops

from zoo.layers import cells
from zoo.layers.encoders import RecurrentEncoder

STEPS = {"simple": cells.simple_rnn_step, "gru": cells.gru_step, "lstm": cells.lstm_step}
STATES = {"simple": ("state",), "gru": ("state",), "lstm": ("state", "memory")}
GATES = {
    "simple": (lambda *_: (), ()),
    "gru": (cells.gru_gates, ("update gate", "reset gate", "candidate")),
    "lstm": (cells.lstm_gates, ("input gate", "forget gate", "candidate", "output gate")),
}


class Trace(NamedTuple):
    """What one layer did in one direction: name → float[B, T, R], such as the forget gate of R units at T steps.

    The attention of a head has R = T: how much each step looked at step t.
    """

    layer: int  # from 0
    direction: str  # "forward" or "backward"; "" for a Transformer
    parts: dict[str, Any]


def trace(encoder: RecurrentEncoder, sequence) -> tuple[Any, Any, list[Trace]]:
    """Reads a sequence without padding in plain steps, from the state zero. Gradients pass through.

    Args:
        encoder: has been built.
        sequence: float[B, T, F]; T is known.
    Returns:
        steps float[B, T, D] and state float[B, D], those of the encoder, and the traces of its layers from the lowest.
    """
    if encoder.cell == "transformer":
        return _attention(encoder, sequence)
    found = []
    for number, layer in enumerate(encoder.stack):
        both = (layer.forward_layer, layer.backward_layer) if encoder.bidirectional else (layer,)
        ways = dict(zip(("forward", "backward"), both, strict=False))
        parts = {way: _direction(encoder.cell, ways[way], sequence, reverse=way == "backward") for way in ways}
        found += [Trace(number, way, part) for way, part in parts.items()]
        steps = ops.concatenate([part["state"] for part in parts.values()], axis=-1)
        sequence = sequence + steps if encoder.residual and number else steps
    last = [part["state"][:, 0 if way == "backward" else -1] for way, part in parts.items()]
    return sequence, ops.concatenate(last, axis=-1), found


def _direction(cell: str, layer, x, *, reverse: bool) -> dict[str, Any]:
    """The parts of a trace, in the order of `x`."""
    x = ops.flip(x, axis=1) if reverse else x
    weights = [ops.convert_to_tensor(w) for w in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias)]
    states = start = [ops.zeros((x.shape[0], layer.units)) for _ in STATES[cell]]
    rows = []
    for t in range(x.shape[1]):
        states = STEPS[cell](x[:, t], states, weights)
        rows.append(states)
    every = [ops.stack(part, axis=1) for part in zip(*rows, strict=True)]  # [B, T, units] each
    before = [ops.concatenate([s[:, None], part[:, :-1]], axis=1) for s, part in zip(start, every, strict=True)]
    compute, names = GATES[cell]
    gates = compute(x, before, weights)  # of all steps at once, now that the states before them are known
    parts = dict(zip((*STATES[cell], *names), (*every, *gates), strict=True))
    return {name: ops.flip(part, axis=1) if reverse else part for name, part in parts.items()}


def _attention(encoder: RecurrentEncoder, sequence) -> tuple[Any, Any, list[Trace]]:
    found, transformer = [], encoder.stack[0]
    x, allowed, _, _ = transformer.prepare(sequence)
    for number, block in enumerate(transformer.blocks):
        weights, _ = block.look(x, allowed)  # [B, heads, looking, seen]
        x, _ = block(x, allowed)
        heads = {f"head {i + 1}": ops.transpose(weights[:, i], (0, 2, 1)) for i in range(block.heads)}
        found.append(Trace(number, "", {"state": x} | heads))
    steps = transformer.norm(x)
    return steps, steps[:, -1], found
