"""Layers with forward and backward, as people write them: each right, with a planted fault."""

import numpy as np


def weights(seed=0, wide=np.float64):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, 2)).astype(wide), rng.normal(size=2).astype(wide)


class Attributes:
    """W and dW."""

    def __init__(self, fault=1.0, wide=np.float64):
        self.W, self.b = weights(0, wide)
        self.fault = fault

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.fault * (self.x.T @ dout)
        self.db = dout.sum(0)
        return dout @ self.W.T


class Prefixed(Attributes):
    """W and grad_W, set to None before the first backward."""

    def __init__(self, fault=1.0):
        super().__init__(fault)
        self.grad_W = self.grad_b = None

    def backward(self, dout):
        self.grad_W, self.grad_b = self.fault * (self.x.T @ dout), dout.sum(0)
        return dout @ self.W.T


class Suffixed(Attributes):
    """W and W_grad, which add up."""

    def __init__(self, fault=1.0):
        super().__init__(fault)
        self.W_grad, self.b_grad = np.ones_like(self.W), np.ones_like(self.b)

    def backward(self, dout):
        self.W_grad += self.fault * (self.x.T @ dout)
        self.b_grad += dout.sum(0)
        return dout @ self.W.T


class Dicts:
    """params and grads."""

    def __init__(self, fault=1.0):
        w, b = weights()
        self.params, self.grads, self.fault = {"W": w, "b": b}, {}, fault

    def forward(self, x, train=True):
        self.cache = x if train else None
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        x, self.cache = self.cache, None
        self.grads["W"] = self.fault * (x.T @ dout)
        self.grads["b"] = dout.sum(0)
        return dout @ self.params["W"].T


class Spelled(Dicts):
    """parameters and gradients, whose keys are dW and db."""

    def __init__(self, fault=1.0):
        super().__init__(fault)
        self.parameters, self.gradients = self.params, {}

    def backward(self, dout):
        self.gradients = {"dW": self.fault * (self.cache.T @ dout), "db": dout.sum(0)}
        return dout @ self.params["W"].T


class Lists:
    """Lists of arrays, the gradients written in place."""

    def __init__(self, fault=1.0):
        self.params = [*weights()]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.fault = fault

    def forward(self, x):
        w, b = self.params
        self.x = x
        return x @ w + b

    def backward(self, dout):
        self.grads[0][...] = self.fault * (self.x.T @ dout)
        self.grads[1][...] = dout.sum(0)
        return dout @ self.params[0].T


class Pairs:
    """A list of (parameter, gradient)."""

    def __init__(self, fault=1.0):
        self.params = [(p, np.zeros_like(p)) for p in weights()]
        self.fault = fault

    def forward(self, x):
        self.x = x
        return x @ self.params[0][0] + self.params[1][0]

    def backward(self, dout):
        self.params[0][1][:] = self.fault * (self.x.T @ dout)
        self.params[1][1][:] = dout.sum(0)
        return dout @ self.params[0][0].T


class Method:
    """A method that lists the pairs; the attributes have names of their own."""

    def __init__(self, fault=1.0):
        self.kernel, self.offset = weights()
        self.fault = fault

    def forward(self, x):
        self.seen = x
        return x @ self.kernel + self.offset

    def backward(self, dout):
        self.one, self.two = self.fault * (self.seen.T @ dout), dout.sum(0)
        return dout @ self.kernel.T

    def params_and_grads(self):
        yield self.kernel, self.one
        yield self.offset, self.two


class Tensor:
    """A parameter as an object."""

    def __init__(self, data):
        self.data, self.grad = data, None


class Objects:
    """Parameters that are objects with data and grad."""

    def __init__(self, fault=1.0):
        self.w, self.b = map(Tensor, weights())
        self.fault = fault

    def forward(self, x):
        self.x = x
        return x @ self.w.data + self.b.data

    def backward(self, dout):
        self.w.grad = self.fault * (self.x.T @ dout)
        self.b.grad = dout.sum(0)
        return dout @ self.w.data.T


class Slots:
    """An object without a __dict__; the fault is in b, which comes first."""

    __slots__ = ("_b", "_db", "_dw", "_w", "_x", "fault")

    def __init__(self, fault=1.0):
        self._w, self._b = weights()
        self.fault = fault

    def forward(self, x):
        self._x = x
        return x @ self._w + self._b

    def backward(self, dout):
        self._dw, self._db = self._x.T @ dout, self.fault * dout.sum(0)
        return dout @ self._w.T


class Returned(Attributes):
    """(dx, dW, db)."""

    def backward(self, dout):
        return dout @ self.W.T, self.fault * (self.x.T @ dout), dout.sum(0)


class ReturnedByName(Attributes):
    """dx and a dict."""

    def backward(self, dout):
        return dout @ self.W.T, {"W": self.fault * (self.x.T @ dout), "b": dout.sum(0)}


class AllByName(Attributes):
    """One dict of all."""

    def backward(self, dout):
        dw = self.fault * (self.x.T @ dout)
        return {"dx": dout @ self.W.T, "dW": dw, "db": dout.sum(0)}


class NothingReturned(Attributes):
    """Results and gradients in attributes alone."""

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.W + self.b

    def backward(self, dvalues):
        self.dW, self.db = self.fault * (self.inputs.T @ dvalues), dvalues.sum(0)
        self.dinputs = dvalues @ self.W.T
