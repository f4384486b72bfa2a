"""Layers that build or share their weights, networks of them, and the table of all."""

import layers_in_the_wild as wild
import numpy as np
from layers_in_the_wild import Attributes, Dicts, weights


class Late(Attributes):
    """Weights that the first forward makes."""

    def __init__(self, fault=1.0):
        self.fault = fault

    def forward(self, x):
        if not hasattr(self, "W"):
            self.W, self.b = weights()
        return super().forward(x)


class Views(Attributes):
    """Weights in one flat array, and a transposed view of them kept."""

    def __init__(self, fault=1.0):
        self.flat = np.concatenate([p.ravel() for p in weights()])
        self.W, self.b, self.fault = self.flat[:6].reshape(3, 2), self.flat[6:], fault
        self.transposed = self.W.T

    def backward(self, dout):
        super().backward(dout)
        return dout @ self.transposed


class Net:
    """Layers in a list, with an activation between."""

    def __init__(self, fault=1.0):
        self.layers = [Attributes(), Tanh(), Second(fault)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class Second(Dicts):
    """A layer that takes what the first one gives."""

    def __init__(self, fault=1.0):
        super().__init__(fault)
        self.params["W"] = self.params["W"].T.copy()
        self.params["b"] = np.array([0.5, -1.0, 2.0])


class Tanh:
    """No parameters."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class Tied:
    """Two layers that share their weights, each with a gradient of its own."""

    def __init__(self, fault=1.0):
        self.first, self.second = Attributes(), Attributes(fault)
        self.second.W, self.second.b = self.first.W, self.first.b

    def forward(self, x):
        return self.first.forward(x) * self.second.forward(2 * x)

    def backward(self, dout):
        one, two = (layer.x @ layer.W + layer.b for layer in (self.first, self.second))
        return self.first.backward(dout * two) + 2 * self.second.backward(dout * one)


class Norm:
    """A norm with statistics that are no parameters."""

    def __init__(self, fault=1.0):
        self.gamma, self.beta = np.array([0.5, -1.5, 2.0]), np.array([1.0, 0.0, -1.0])
        self.running_mean, self.fault = np.zeros(3), fault

    def forward(self, x, train=False):
        if not train:
            return x - self.running_mean
        self.running_mean *= 0.9
        self.running_mean += 0.1 * np.real(x.mean(0))
        self.std = np.sqrt(x.var(0) + 1e-5)
        self.hat = (x - x.mean(0)) / self.std
        return self.gamma * self.hat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = self.fault * (dout * self.hat).sum(0), dout.sum(0)
        d = dout * self.gamma
        return (d - d.mean(0) - self.hat * (d * self.hat).mean(0)) / self.std

    def backward_of_eval(self, dout):
        return dout


# Each with the names in the report, and the keywords of the check.
LAYERS = {
    Attributes: (("x", "W", "b"), {}),
    wild.Prefixed: (("x", "W", "b"), {}),
    wild.Suffixed: (("x", "W", "b"), {}),
    Dicts: (("x", "W", "b"), {"call": {"train": True}}),
    wild.Spelled: (("x", "W", "b"), {}),
    wild.Lists: (("x", "params.0", "params.1"), {}),
    wild.Pairs: (("x", "params.0.0", "params.1.0"), {}),
    wild.Method: (("x", "params_and_grads.0.0", "params_and_grads.1.0"), {}),
    wild.Objects: (("x", "w", "b"), {}),
    wild.Slots: (("x", "_b", "_w"), {}),
    wild.Returned: (("x", "W", "b"), {}),
    wild.ReturnedByName: (("x", "W", "b"), {"params": ("W", "b")}),
    wild.AllByName: (("x", "W", "b"), {"params": ("W", "b")}),
    wild.NothingReturned: (("inputs", "W", "b"), {}),
    Late: (("x", "W", "b"), {}),
    Views: (("x", "W", "b"), {}),
    Net: (("x", "layers.0.W", "layers.0.b", "layers.2.W", "layers.2.b"), {}),
    Tied: (("x", "first.W", "first.b"), {}),
    Norm: (("x", "gamma", "beta"), {"call": {"train": True}}),
}
