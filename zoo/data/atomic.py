"""Text files that are replaced in one step: a reader finds either the old text or the new one, also after a kill."""

from pathlib import Path


def write(path: Path, text: str) -> None:
    """Writes `text` under a temporary name beside `path`, and renames it."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)
