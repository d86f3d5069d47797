"""From the outputs of a model to answers, inside the graph: searches, draws, and the service that is exported."""
