"""From the outputs of a model to answers, in graph: labels, tags, searches, and the exported service."""

from zoo.answers import draws, labels, search, service, tags

__all__ = ["draws", "labels", "search", "service", "tags"]
