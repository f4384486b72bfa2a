"""Every tolerance of the tests, once, with its reason. None is scaled by the size of an array."""

import numpy as np

# Units in the last place of the scale, against 50 digits, for a whole CBAM with logits of order
# one. The worst of 1,500 random ones were 3.6 forward and 5.5 in a gradient.
ULP_FORWARD = 4
ULP_GRADIENT = 8

# Of the scale. The complex step has no error of its own: what remains is the rounding of two
# computations of one derivative, each a few hundred operations deep.
COMPLEX_STEP = 1e-13

# Of the scale: the fourth power of a step of 2⁻¹⁰ times a thirtieth of the fifth derivative, and
# rounding divided by the step. Only a blunder shows, but by a method that needs no complex numbers.
STENCIL = 1e-10

# Of the largest entry, by dtype: the same terms added or multiplied in another order. 64 roundings.
REORDERED = {
    np.dtype(dtype): 64 * np.finfo(dtype).eps
    for dtype in (np.float32, np.float64, np.longdouble, np.complex128)
}

# Units in the last place between two correct evaluations of one exponential or logarithm each.
ULP_ELEMENTARY = 4

# Against torch in float64, of the largest entry of the tensor. The gradient of a parameter is a sum
# over samples and positions that may cancel down to its rounding error, in torch as well as here;
# so its scale is at least CANCELLED times Σ|dy ⊗ x|, the magnitudes that the sums are made of
# (in training times what the norm stretches them by). 15,000 random cases held it.
TORCH = 1e-12
CANCELLED = 0.01

# The same for second derivatives, whose sums are longer and cancel more. 6,000 cases held it.
TORCH_SECOND = 1e-10
