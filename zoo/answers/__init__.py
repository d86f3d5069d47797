"""From the outputs of a model to answers, in graph: labels, tags, spans, next tokens, harmonies, searches."""

from zoo.answers import draws, harmony, labels, next_token, search, service, spans, tags

__all__ = ["draws", "harmony", "labels", "next_token", "search", "service", "spans", "tags"]
