"""AdamW that clips by the global norm and records it, and the schedules of its learning rate."""

from collections.abc import Sequence

import keras
from keras import ops

from zoo.training import devices


@keras.saving.register_keras_serializable("zoo")
class AdamW(keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101).

    Biases and other one-dimensional weights are not decayed. Gradients are clipped by their global norm. Under a
    distribution strategy that is the norm of their sum over all replicas; Keras would clip each replica's share.

    With `use_ema`, a moving average of the weights is kept. Its momentum warms up: after t steps it is at most
    (1 + t) / (10 + t). A fixed momentum of 0.995 would still give the first weights a share of a third after 200 steps.

    Args:
        clip_norm: the largest global norm that is applied.
        pretrained: names of layers whose learning rate is multiplied by `share`.
        frozen: the steps during which the first of them does not learn. The second stays frozen twice as long, and so
            on (gradual unfreezing: Howard and Ruder 2018, section 3.3, https://aclanthology.org/P18-1031). Weight decay
            does not wait.
        kwargs: as for keras.optimizers.AdamW.

    Attributes:
        gradient_norm: the mean norm, before clipping, of the steps since `reset_gradient_norm`.
        recent_norms: the norms of the last ten steps.
    """

    def __init__(
        self,
        learning_rate=0.001,
        *,
        clip_norm: float,
        pretrained: Sequence[str] = (),
        share: float = 1.0,
        frozen: int = 0,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        self.clip_norm, self.pretrained, self.share, self.frozen = clip_norm, list(pretrained), share, frozen

    def get_config(self):
        own = {"clip_norm": self.clip_norm, "pretrained": self.pretrained, "share": self.share, "frozen": self.frozen}
        return {**super().get_config(), **own}

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.norm_sum = self.add_variable((), aggregation="only_first_replica", name="norm_sum")
        self.norm_steps = self.add_variable((), aggregation="only_first_replica", name="norm_steps")
        self._recent = self.add_variable((10,), aggregation="only_first_replica", name="recent_norms")
        if self.weight_decay:
            self.exclude_from_weight_decay(var_list=[v for v in variables if len(v.shape) < 2])

    def apply(self, grads, trainable_variables=None):
        self.build(trainable_variables or self._trainable_variables)
        grads = [gradient if gradient is None else dense(gradient) for gradient in grads]
        grads, replicas = devices.sum_over_replicas(grads)
        norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads if g is not None))
        self.norm_sum.assign_add(norm)
        self.norm_steps.assign_add(1.0)
        self._recent.assign(ops.concatenate([self._recent[1:], norm[None]]))
        # A norm that is not finite makes all weights NaN, so the error shows. Keras sums over the replicas once more,
        # hence the division.
        scale = self.clip_norm / ops.maximum(norm, self.clip_norm) / replicas
        super().apply([g if g is None else g * ops.cast(scale, g.dtype) for g in grads], trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        """Keras' formula. TensorFlow has one operation for it, which takes a third of the time of Keras' dozen."""
        index = self._get_variable_index(variable)
        for i, layer in enumerate(self.pretrained):
            if layer in self._trainable_variables[index].path.split("/"):
                learns = ops.cast(self.iterations >= self.frozen * (i + 1), learning_rate.dtype)
                learning_rate = learning_rate * self.share * learns
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        dtype = variable.dtype
        step = ops.cast(self.iterations + 1, dtype)
        beta1, beta2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta1**step,
            beta2_power=beta2**step,
            lr=ops.cast(learning_rate, dtype),
            beta1=beta1,
            beta2=beta2,
            epsilon=tf.constant(self.epsilon, dtype),
            grad=ops.cast(gradient, dtype),
        )

    def _update_model_variables_moving_average(self, trainable_variables):
        """Keras' update with a momentum that warms up. It depends on `iterations`, which is in every checkpoint."""
        if not self.use_ema:
            return
        steps = ops.cast(self.iterations, "float32")  # before this one; the average is 0 before the first
        momentum = ops.where(steps > 0, ops.minimum(self.ema_momentum, (1 + steps) / (10 + steps)), 0.0)
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                share = ops.cast(momentum, average.dtype)
                average.assign(share * average + (1 - share) * ops.cast(variable, average.dtype))

    @property
    def gradient_norm(self) -> float:
        total, steps = (float(ops.convert_to_numpy(v)) for v in (self.norm_sum, self.norm_steps))
        return total / max(steps, 1.0)

    @property
    def recent_norms(self) -> list[float]:
        """In order; fewer than ten in the first steps."""
        return ops.convert_to_numpy(self._recent)[-int(self.iterations) :].tolist()

    def reset_gradient_norm(self) -> None:
        self.norm_sum.assign(0.0)
        self.norm_steps.assign(0.0)


def dense(gradient):
    """The gradient as one tensor. TensorFlow gives an embedding's as slices, several of which may be of one row.

    The norm of slices that are not summed is too small. Keras' `convert_to_tensor` leaves them as they are.
    """
    if keras.backend.backend() != "tensorflow":
        return gradient
    import tensorflow as tf

    return tf.convert_to_tensor(gradient)


def of(model: keras.Model) -> AdamW:
    """The model's optimizer. Under mixed_float16, Keras wraps it in an optimizer that scales the loss."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def adamw(cfg, *, pretrained: Sequence[str] = ()) -> AdamW:
    """The optimizer described by the options learning_rate, weight_decay, clip_norm and average_weights.

    Its learning rate is constant, and nothing is frozen; training calls `plan`, which needs the number of steps.

    Args:
        pretrained: names of layers that learn at the share `cfg.pretrained_rate`, from the output to the input.
    """
    return AdamW(
        cfg.learning_rate,
        weight_decay=cfg.weight_decay,
        clip_norm=cfg.clip_norm,
        pretrained=pretrained,
        share=cfg.pretrained_rate if pretrained else 1.0,
        use_ema=cfg.average_weights > 0,
        ema_momentum=cfg.average_weights or 0.99,
    )


@keras.saving.register_keras_serializable("zoo")
class Cyclical(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line during warm-up, then goes down and up in triangles and ends at the bottom.

    The "triangular" policy of Smith 2017, section 3, https://arxiv.org/abs/1506.01186. Warm-up is the rising half of
    the first triangle, so that `cycles` counts the peaks.

    Args:
        lowest, highest: the rates between which it moves.
        warmup: steps of warm-up.
        steps: all steps, those of warm-up included.
        cycles: the number of peaks.
    """

    def __init__(self, lowest: float, highest: float, *, warmup: int, steps: int, cycles: int):
        super().__init__()
        self.lowest, self.highest, self.warmup, self.steps, self.cycles = lowest, highest, warmup, steps, cycles

    def __call__(self, step):
        step = ops.cast(step, "float32")
        cycle = max(self.steps - self.warmup, 1) / (self.cycles - 0.5)  # steps from peak to peak
        position = (step - self.warmup) / cycle  # whole numbers are peaks
        below_peak = 2 * ops.abs(position - ops.round(position))  # 0 at a peak, 1 at the bottom
        height = ops.where(step < self.warmup, step / self.warmup, 1 - below_peak)
        return self.lowest + (self.highest - self.lowest) * height

    def get_config(self):
        return {
            "lowest": self.lowest,
            "highest": self.highest,
            "warmup": self.warmup,
            "steps": self.steps,
            "cycles": self.cycles,
        }


def plan(model: keras.Model, cfg, steps_per_epoch: int) -> None:
    """Sets what depends on the length of a run: the learning rate's schedule, and how long layers are frozen."""
    optimizer = of(model)
    optimizer.learning_rate = schedule(cfg, cfg.epochs * steps_per_epoch)
    optimizer.frozen = getattr(cfg, "frozen_epochs", 0) * steps_per_epoch


def schedule(cfg, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate at each of `steps` steps.

    It rises in a line from a hundredth of `cfg.learning_rate` during the first `cfg.warmup` of all steps. Then
    `cfg.schedule` decides: "cosine" falls to a hundredth along a cosine, "constant" stays, and "cyclical" moves between
    a hundredth and the peak with `cfg.cycles` peaks.
    """
    warmup = max(round(cfg.warmup * steps), 1)
    lowest, highest = cfg.learning_rate / 100, cfg.learning_rate
    if cfg.schedule == "cyclical":
        return Cyclical(lowest, highest, warmup=warmup, steps=steps, cycles=cfg.cycles)
    return keras.optimizers.schedules.CosineDecay(
        lowest,
        max(steps - warmup, 1),
        alpha=1.0 if cfg.schedule == "constant" else 0.01,  # the share of the peak at which the cosine ends
        warmup_target=highest,
        warmup_steps=warmup,
    )
