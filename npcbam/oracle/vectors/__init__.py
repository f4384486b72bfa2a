"""Golden vectors: CBAM as files, for languages without Python.

A folder of vectors has a `manifest.json`, and for each case a folder with one .npy for each tensor.
A program in any language reads x, dy and the parameters, computes what it can of the rest, and
writes it as RESULTS/<case>/<tensor>.npy; `npcbam vectors compare` judges that. Results may be of
the dtype of the case, of a wider one, or in half types 16-bit patterns as the vectors are.

Schema 1 of `manifest.json`, in UTF-8; a change of meaning raises its number:

    schema      1
    version     of npcbam, that wrote it
    seed        of all cases; the same version and seed give the same files
    about       what each field means, as here
    dtypes      by name, how the values of a case of that dtype are stored
    tensors     by name, what each tensor is
    mistakes    by code, the sentence that says what each known mistake does
    cases       a list, of which each has
      name        also that of its folder: <preset>[-<axes>d]-<flag>-<dtype>
      flag        the kind of input: noise, negative, ties, single, small or point
      reason      why this input is there
      preset      the name of its conventions
      convention  the conventions, spelled out
        pools         the descriptors of the channel gate
        planes        the planes of the spatial gate in the order of the kernel, or null: no gate
        blend         whether the mean of the pools takes their place, in either gate
        ties          who gets the gradient of a tied maximum: the first, or all evenly
        mlp_biases, conv_bias, residual     whether there are any, and whether x is added to y
        norm_eps      of the norm in the spatial gate, by running statistics, or null: no norm
        order         channel-first: y = Ms(F') F' with F' = Mc(x) x
        padding       zeros: the map has the size of x; the kernel is not flipped
      dtype       float64, float32, bfloat16 or float16
      seed        two numbers, from which its weights were drawn
      tensors     by name, of which each has
        file        from the folder of the manifest
        shape       row-major
        role        given, parameter, or computed: to be compared
        path        of a parameter, its path in npcbam
        allowed     of a computed tensor, the largest allowed |got - expected|; half types are
                    to be summed in float32 or wider
      tells_apart the codes of the mistakes whose y differs here from the right one, by more than
                  twice the allowed error or in its shape
      cannot_tell the codes of those whose y does not: another case has to show them, as half types
                  hide much and one position hides what pools do

Expected values are computed in extended precision, where the platform has it, from parameters and
inputs that are exact in the dtype of the case, and then rounded once.
"""

from npcbam.oracle.vectors.compare import Judgement, compare
from npcbam.oracle.vectors.writing import SCHEMA, write

__all__ = ["SCHEMA", "Judgement", "compare", "write"]
