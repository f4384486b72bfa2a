"""Channel and spatial modules alone as layers of Keras, right and with mistakes."""

from keras import layers, ops

from planted.registry import right, wrong


@right(stage="channel")
class KerasChannel(layers.Layer):
    activation = "relu"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.fc1 = layers.Dense(3, activation=self.activation)

    def build(self, shape):
        self.fc2 = layers.Dense(shape[-1])

    def call(self, x):
        pools = ops.mean(x, (1, 2), keepdims=True), ops.max(x, (1, 2), keepdims=True)
        return ops.sigmoid(sum(self.fc2(self.fc1(f)) for f in pools))


@wrong("channel: channel-silu", stage="channel")
class KerasSilu(KerasChannel):
    activation = "silu"


@right(stage="spatial")
class KerasSpatial(layers.Layer):
    padding = "same"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(1, 7, padding="same", activation="sigmoid")

    def call(self, x):
        planes = [pool(x, -1, keepdims=True) for pool in (ops.mean, ops.max)]
        return self.conv(ops.concatenate(planes, -1)) * x


@wrong("spatial: spatial-sum-for-avg", stage="spatial")
class KerasSum(KerasSpatial):
    def call(self, x):
        planes = [pool(x, -1, keepdims=True) for pool in (ops.sum, ops.max)]
        return self.conv(ops.concatenate(planes, -1)) * x
