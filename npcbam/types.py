"""The names of the types that the signatures speak in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from npcbam.arguments import Array

L = TypeVar("L")

# From the cotangent of the result to that of the one argument.
Pullback: TypeAlias = Callable[[Array], Array]
# From the cotangent of the result to those of both arguments.
PullbackToBoth: TypeAlias = Callable[[Array], tuple[Array, Array]]
# From the cotangent of the result to those of the layer, which is a layer too, and of its input.
LayerPullback: TypeAlias = Callable[[Array], tuple[L, Array]]
# What a layer gives in training: y, its pullback, and the layer with its statistics stepped.
Stepped: TypeAlias = tuple[Array, LayerPullback[L], L]
