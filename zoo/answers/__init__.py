"""From the outputs of a model to answers in graph: labels, tags, spans, texts, next tokens, harmonies, searches."""

from zoo.answers import draws, harmony, labels, listening, next_token, search, service, spans, tags, transcripts

__all__ = ["draws", "harmony", "labels", "listening", "next_token", "search", "service", "spans", "tags", "transcripts"]
