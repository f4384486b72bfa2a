"""Golden vectors: CBAM as files, for languages without Python.

A folder of vectors has a `manifest.json`, and for each case a folder with one .npy for each tensor.
A program in any language reads x, dy and the parameters, computes what it can of the rest, and
writes it as RESULTS/<case>/<tensor>.npy; `npcbam vectors compare` judges that. Results may be of
the dtype of the case, of a wider one, or in half types 16-bit patterns as the vectors are.

What each field of `manifest.json` means stands in it, under "about"; see `writing.ABOUT`.

Expected values are computed in extended precision, where the platform has it, from parameters and
inputs that are exact in the dtype of the case, and then rounded once.
"""

from npcbam.oracle.vectors.compare import Judgement, compare
from npcbam.oracle.vectors.writing import SCHEMA, write

__all__ = ["SCHEMA", "Judgement", "compare", "write"]
