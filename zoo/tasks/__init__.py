"""One file per task: each reads from top to bottom, from raw example to served answer."""
