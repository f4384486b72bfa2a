"""The forms in which people have a forward and a backward, each made into (y, pullback).

`cached`, `layer`, `loss` and `grad` are forms of reverse mode, `jvp` is forward mode, `pair` holds
both against each other, `hvp` is second order. `hint` says which of them fits what came.
"""

from npcbam.gradcheck.forms.cached import cached_vjp, check_cached
from npcbam.gradcheck.forms.grad import check_grad, grad_vjp
from npcbam.gradcheck.forms.hint import which_form
from npcbam.gradcheck.forms.hvp import check_hvp, pullback_as_function
from npcbam.gradcheck.forms.jvp import check_jvp
from npcbam.gradcheck.forms.layer import check_layer
from npcbam.gradcheck.forms.loss import check_loss, loss_vjp
from npcbam.gradcheck.forms.pair import check_pair
from npcbam.gradcheck.forms.run import Options

__all__ = [
    "Options",
    "cached_vjp",
    "check_cached",
    "check_grad",
    "check_hvp",
    "check_jvp",
    "check_layer",
    "check_loss",
    "check_pair",
    "grad_vjp",
    "loss_vjp",
    "pullback_as_function",
    "which_form",
]
