"""How a model is trained: losses, optimizer, callbacks, checkpoints, devices."""
