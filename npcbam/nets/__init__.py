"""A small residual network in NumPy, to see what attention does in one.

Read it in this order: `layers`, `loss`, `block`, `resnet`, `train`, `cost`. Everything has the
`vjp` of the other layers; `train_vjp` gives the pullback and the layer with its running statistics
stepped.
"""

from npcbam.nets.block import Block, ConvNorm
from npcbam.nets.cost import multiply_adds, parameters
from npcbam.nets.layers import Convolution, Linear, avg_pool_vjp, max_pool_vjp
from npcbam.nets.loss import cross_entropy_vjp
from npcbam.nets.resnet import ResNet
from npcbam.nets.train import History, accuracy, cosine, fit, gradient, predict, sgd, steps

__all__ = [
    "Block",
    "ConvNorm",
    "Convolution",
    "History",
    "Linear",
    "ResNet",
    "accuracy",
    "avg_pool_vjp",
    "cosine",
    "cross_entropy_vjp",
    "fit",
    "gradient",
    "max_pool_vjp",
    "multiply_adds",
    "parameters",
    "predict",
    "sgd",
    "steps",
]
