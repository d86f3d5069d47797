"""Readers of the files, folders and TFDS data sets that `--data` names: one module per format."""
