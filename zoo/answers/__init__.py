"""From the outputs of a model to answers, in graph: labels, tags, next tokens, searches, and the exported service."""

from zoo.answers import draws, labels, next_token, search, service, tags

__all__ = ["draws", "labels", "next_token", "search", "service", "tags"]
