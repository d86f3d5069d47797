"""From the outputs of a model to answers, in graph: labels, tags, spans, next tokens, searches, and the service."""

from zoo.answers import draws, labels, next_token, search, service, spans, tags

__all__ = ["draws", "labels", "next_token", "search", "service", "spans", "tags"]
