"""Computes the speed of more devices from a measured run; writes scaling.md.

    python -m benchmarks.scaling                                            # from tasks/translation/results.json
    python -m benchmarks.scaling --tokens-per-second 150000 --measured-on "1 × …"     # from a run of your own

Data parallel training by synchronous steps: every device computes `tokens` of a batch, all sum their gradients by a
ring (Patarasuk and Yuan 2009, https://doi.org/10.1016/j.jpdc.2008.09.002), nothing overlaps.
"""

import argparse
import json
from pathlib import Path

from zoo import report

HERE = Path(__file__).parent
RECIPE = "tasks/translation/multi30k_en_de.toml"
DEVICES, CORPORA = (1, 8, 64), (1e9, 1e11)
PAGE = """# From one device to many

Computed by `{command}`. The model has {parameters:,} weights in float32, and a device takes {tokens:,} real
tokens per step.

Measured: one device takes in {tokens_per_second:,.0f} real tokens per second ({measured_on}).

{measured}

If a device were {faster:g} times as fast, as an accelerator may be (no accelerator was measured):

{supposed}

One checkpoint of weights, averages and Adam's two moments is {checkpoint:.0f} MB, {saving:.2f} s at {disk:g} GB/s.

    step(N)    = tokens / rate + sum(N)
    sum(N)     = 2 (N − 1) / N · bytes / bandwidth + 2 (N − 1) · latency         bytes = 4 · weights
    rate(N)    = N · tokens / step(N)
    input(N)   = rate(N) · {bytes_per_token} bytes, ids of source and target, mapped from disk by each process

Up to 8 devices {inside:g} GB/s (one machine), beyond it {outside:g} GB/s (its network), latency {latency:g} µs per hop.

The model leaves out the network's other users, devices that wait for the slowest one, and sums that overlap with the
backward pass (which would hide most of them). It leaves out learning as well: N times the batch needs another
learning rate, and beyond some size it does not need N times fewer steps. The speed of a recurrent layer is limited by
the chain of its steps. A device that is not full takes a larger batch in hardly more time, so measure its rate with
the batch that it will have.
"""


HEAD = "| devices | step | sum of gradients | tokens per second | of the ideal | 10⁹ tokens | 10¹¹ tokens | input |"


def table(tokens_per_second: float, options: argparse.Namespace) -> str:
    rows = [table_row(devices, tokens_per_second, options) for devices in DEVICES]
    return "\n".join([HEAD, "|---" * 8 + "|", *rows])


def table_row(devices: int, tokens_per_second: float, options: argparse.Namespace) -> str:
    bandwidth = 1e9 * (options.inside if devices <= 8 else options.outside)
    hops = 2 * (devices - 1)
    summing = hops / devices * 4 * options.parameters / bandwidth + hops * 1e-6 * options.latency
    step = options.tokens / tokens_per_second + summing
    rate = devices * options.tokens / step
    days = [f"{corpus / rate / 86400:,.{1 if corpus / rate > 864000 else 2}f} days" for corpus in CORPORA]
    return (
        f"| {devices} | {1e3 * step:,.1f} ms | {1e3 * summing:.2f} ms | {rate:,.0f} | "
        f"{rate / devices / tokens_per_second:.1%} | {' | '.join(days)} | {8e-6 * rate:.2f} MB/s |"
    )


def main() -> None:
    records = json.loads((HERE.parent / "tasks" / "translation" / "results.json").read_text())
    measured = next(record for record in records if record["recipe"] == RECIPE)
    batch = int(measured["config"]["batch_tokens"] * measured["padding_efficiency"])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens-per-second", type=float, default=measured["tokens_per_second"], help="of one device")
    parser.add_argument("--measured-on", default=f"{measured['device']}, {report.count(measured['threads'], 'thread')}")
    parser.add_argument("--faster", type=float, default=100, help="of the second table")
    parser.add_argument("--parameters", type=int, default=measured["parameters"])
    parser.add_argument("--tokens", type=int, default=batch, help="real ones, of a device's part of a batch")
    parser.add_argument("--inside", type=float, default=450, help="GB/s between devices of a machine (NVLink 4)")
    parser.add_argument("--outside", type=float, default=50, help="GB/s between machines (400 Gb/s InfiniBand)")
    parser.add_argument("--latency", type=float, default=5, help="µs a hop")
    parser.add_argument("--disk", type=float, default=1, help="GB/s")
    options = parser.parse_args()
    checkpoint = 4 * 4 * options.parameters / 1e6
    page = PAGE.format(
        command="python -m benchmarks.scaling",
        measured=table(options.tokens_per_second, options),
        supposed=table(options.faster * options.tokens_per_second, options),
        checkpoint=checkpoint,
        saving=checkpoint / 1e3 / options.disk,
        bytes_per_token=8,
        **vars(options),
    )
    (HERE / "scaling.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
