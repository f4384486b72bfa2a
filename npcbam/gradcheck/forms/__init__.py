"""The forms in which people have a forward and a backward, each made into (y, pullback).

`cached`, `layer`, `loss` and `grad` are forms of code; `hint` says which of them fits what came.
"""

from npcbam.gradcheck.forms.cached import cached_vjp, check_cached
from npcbam.gradcheck.forms.grad import check_grad, grad_vjp
from npcbam.gradcheck.forms.hint import which_form
from npcbam.gradcheck.forms.layer import check_layer
from npcbam.gradcheck.forms.loss import check_loss, loss_vjp
from npcbam.gradcheck.forms.run import Options

__all__ = [
    "Options",
    "cached_vjp",
    "check_cached",
    "check_grad",
    "check_layer",
    "check_loss",
    "grad_vjp",
    "loss_vjp",
    "which_form",
]
