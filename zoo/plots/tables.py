"""Tables beside the pictures, as CSV files."""

import csv
from collections.abc import Iterable
from pathlib import Path


def write(rows: Iterable[dict], path: Path) -> None:
    """Writes dicts with the same keys; missing folders are made. Floats have six significant digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
