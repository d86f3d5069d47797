"""Forecasting: Beijing's temperature, GRU over 168 hours, GRU over the 24 hours to predict, nine quantiles.

A token is one hour of a window's history. Two rows have no peer. `1,000 series` is one call of the served function.
`10× the series` is the largest resident size of a process that encodes 1,000 generated series instead of 100 and then
trains the same number of steps.
"""

import json
import sys
import time
from pathlib import Path

from benchmarks import epoch, growth

PEERS = ("zoo", "torch")
ROUNDS = 3
SERIES, TIMES, STEPS = 100, 10, 50
WARM_UP = {"1×": 0, f"{TIMES}×": 0}


def cases(quick: bool) -> list[dict]:
    return [{"recipe": "tasks/forecasting/beijing.toml", "data": "beijing"}]


def goals(case: dict, peer: str) -> dict[str, float]:
    return {"train": 1.0}


def limits(case: dict) -> dict[str, float]:
    return {"1,000 series": 2.0}


def own(case: dict, peers: dict) -> list[tuple]:
    one, many = (peers["zoo"][call]["megabytes"] for call in ("1×", f"{TIMES}×"))
    return [(f"{TIMES}× the series, memory", f"{many:,.0f} MB", f"1× {one:,.0f} MB", many / one, "≤ 1.15")]


def calls(peer: str, case: dict) -> dict:
    if peer == "torch":
        return epoch.torch_twin(case, _model)
    import numpy as np

    from zoo.tasks import forecasting

    zoo = epoch.Zoo(case, forecasting, {})
    service, shape = forecasting.serve(zoo.cfg, zoo.codec, zoo.model), forecasting.shape(zoo.cfg)
    draw = np.random.default_rng(0)
    asked = {
        "history": draw.normal(size=[1_000, shape.lookback, shape.columns]).astype(np.float32),
        "steps": np.full([1_000], shape.lookback, np.int32),
        "seconds": np.full([1_000], 1_480_000_000, np.int64),
    }

    def forecast() -> int:
        service(**asked)
        return 1_000

    folder = Path(case["folder"])
    memory = {
        f"{times}×": lambda times=times: growth.alone("forecast", folder, times * SERIES, _write)
        for times in (1, TIMES)
    }
    return {"train": zoo.train, "1,000 series": forecast} | memory


def _model(torch, numbers):
    nn, units = torch.nn, 128
    levels = torch.tensor([0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975])
    middle = len(levels) // 2
    encoder = nn.GRU(numbers["width/past"], units, batch_first=True)
    decoder = nn.GRU(numbers["width/future"], units, batch_first=True)
    bridge, output = nn.Linear(units, units), nn.Linear(units, len(levels))

    def loss(batch):
        _, state = encoder(nn.functional.dropout(batch["past"], 0.2))
        steps, _ = decoder(batch["future"], bridge(state).tanh())
        free = output(nn.functional.dropout(steps, 0.2))
        center = free[..., middle : middle + 1] + batch["anchor"]
        above = nn.functional.softplus(free[..., middle + 1 :]).cumsum(-1)
        below = nn.functional.softplus(free[..., :middle].flip(-1)).cumsum(-1).flip(-1)
        off = batch["y"].nan_to_num() - torch.cat([center - below, center, center + above], -1)
        each = torch.maximum(levels * off, (levels - 1) * off).mean(-1)
        return (each * batch["weight"]).sum() / batch["weight"].sum()

    return [parameter for layer in (encoder, decoder, bridge, output) for parameter in layer.parameters()], loss


def _write(path: Path, count: int) -> None:
    import numpy as np

    path.mkdir()
    draw, hours = np.random.default_rng(0), np.arange(848)
    with (path / "train.jsonl").open("w") as train, (path / "test.jsonl").open("w") as test:
        for i in range(count):
            values = 100 + 10 * np.sin(hours * 2 * np.pi / 24) + draw.normal(size=len(hours))
            for file, part in ((train, values[:800]), (test, values[800:])):
                file.write(json.dumps({"id": f"H{i}", "values": part.round(2).tolist()}) + "\n")


def _train(path: str) -> dict:
    """Seconds and megabytes of training on the series in `path`."""
    from zoo.tasks import forecasting

    start = time.perf_counter()
    case = {"recipe": "tasks/forecasting/m4_hourly.toml", "data": path}
    epoch.Zoo(case, forecasting, {"jit": "off"}, steps=STEPS).train()
    return {"seconds": time.perf_counter() - start, "megabytes": growth.megabytes()}


if __name__ == "__main__":
    print(json.dumps(_train(sys.argv[1])))
