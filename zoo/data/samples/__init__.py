"""The bundled samples: small, generated, the same on every machine. Each module has `examples(split)`."""
