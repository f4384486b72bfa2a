"""CBAM as a Keras layer, as the preset `paper_biased` unless `how` asks otherwise."""

from keras import layers, ops

from planted.blocks_cases import composed


class Right(layers.Layer):
    def __init__(self, hidden=3, data_format="channels_last", how="biased", **kwargs):
        super().__init__(**kwargs)
        self.how, bias = how, how != "plain"
        self.axis = -1 if data_format == "channels_last" else 1
        self.space = (1, 2) if data_format == "channels_last" else (2, 3)
        self.fc1 = layers.Dense(hidden, activation="relu", use_bias=bias)
        self.conv = layers.Conv2D(1, 7, padding="same", data_format=data_format, use_bias=bias)
        self.bn = layers.BatchNormalization(axis=self.axis) if how == "norm" else None

    def build(self, shape):
        self.fc2 = layers.Dense(shape[self.axis], use_bias=self.how != "plain")

    def call(self, x, training=None):
        return composed(self.how, x, self.mc, lambda f: self.ms(f, training))

    def mlp(self, f):
        z = self.fc2(self.fc1(f))
        return ops.relu(z) if self.how == "channel-relu-after" else z

    def mc(self, x):
        avg, top = ops.mean(x, self.space), ops.max(x, self.space)
        if self.how == "channel-max-detached":
            top = ops.stop_gradient(top)
        zs = self.mlp(avg), self.mlp(avg if self.how == "channel-avg-twice" else top)
        gate = ops.sigmoid(zs[0] + zs[1])
        if self.how == "channel-two-sigmoids":
            gate = ops.sigmoid(zs[0]) + ops.sigmoid(zs[1])
        if self.how == "channel-map-detached":
            gate = ops.stop_gradient(gate)
        return ops.expand_dims(gate, self.space)

    def ms(self, f, training):
        low = ops.min if self.how == "spatial-min-for-avg" else ops.mean
        planes = [pool(f, self.axis, keepdims=True) for pool in (low, ops.max)]
        z = self.conv_of(ops.concatenate(planes, self.axis))
        z = z if self.bn is None else self.bn(z, training=training)
        return z if self.how == "spatial-no-sigmoid" else ops.sigmoid(z)

    def conv_of(self, planes):
        if self.how == "spatial-flipped-kernel":
            return ops.flip(self.conv(ops.flip(planes, self.space)), self.space)
        return self.conv(planes)


class Prints(Right):
    def call(self, x):
        print("called")
        return super().call(x)
