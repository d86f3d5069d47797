"""AdamW that clips by the global norm and tells how large the gradients were."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class AdamW(keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101).

    Biases and one-dimensional weights are not decayed. `gradient_norm` holds the mean global norm, before clipping, of
    the steps since `reset_gradient_norm`.
    """

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.norm_sum = self.add_variable((), name="norm_sum")
        self.norm_steps = self.add_variable((), name="norm_steps")
        if self.weight_decay:
            self.exclude_from_weight_decay(var_list=[v for v in variables if len(v.shape) < 2])

    def apply(self, grads, trainable_variables=None):
        squares = [ops.sum(ops.square(ops.convert_to_tensor(g))) for g in grads if g is not None]
        self.build(trainable_variables or self._trainable_variables)
        self.norm_sum.assign_add(ops.sqrt(ops.cast(sum(squares), "float32")))
        self.norm_steps.assign_add(1.0)
        super().apply(grads, trainable_variables)

    @property
    def gradient_norm(self) -> float:
        return float(self.norm_sum) / max(float(self.norm_steps), 1.0)

    def reset_gradient_norm(self) -> None:
        self.norm_sum.assign(0.0)
        self.norm_steps.assign(0.0)


def adamw(cfg) -> AdamW:
    """The optimizer that `cfg` (a zoo.task.Config) describes; the run replaces its rate by `schedule`."""
    return AdamW(
        cfg.learning_rate,
        weight_decay=cfg.weight_decay,
        global_clipnorm=cfg.clip_norm,
        use_ema=cfg.average_weights > 0,
        ema_momentum=cfg.average_weights or 0.99,
    )


def schedule(cfg, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Up in a line over the first `cfg.warmup` of all `steps`, then down along a cosine to a hundredth."""
    warmup = max(round(cfg.warmup * steps), 1)
    return keras.optimizers.schedules.CosineDecay(
        cfg.learning_rate / 100,
        max(steps - warmup, 1),
        alpha=0.01,
        warmup_target=cfg.learning_rate,
        warmup_steps=warmup,
    )
