"""What each kind of wrong array is: what came, how that comes about, and where to look.

`kind(code)` finds one by the code of a `Diagnosis`. A code may be made of two, as
"transposed-partly" is.
"""

from __future__ import annotations

import re
from dataclasses import replace

from npcbam.diagnosis import kinds_routes, kinds_terms, kinds_values, kinds_whole
from npcbam.diagnosis.kind import Kind

# A code that ends so is another one, of some of the entries.
PARTLY = "-partly"
# A code that begins so is another one, of the cotangent that the backward was given.
OF_COTANGENT = "cotangent-"
KINDS = (*kinds_whole.KINDS, *kinds_values.KINDS, *kinds_routes.KINDS, *kinds_terms.KINDS)
BY_CODE = {kind.code: kind for kind in KINDS}


def kind(code: str) -> Kind | None:
    """Return what a code of a `Diagnosis` means, or None if it is none.

    >>> kind("sign-partly").what
    'the sign is the other one; some entries alone, and the rest is right'
    """
    if code in BY_CODE:
        return BY_CODE[code]
    if re.fullmatch(r"only-up-to-\d+", code):
        return BY_CODE["only-up-to"]
    inner, said = "", ""
    if code.endswith(PARTLY):
        inner, said = code.removesuffix(PARTLY), "some entries alone, and the rest is right"
    elif code.startswith(OF_COTANGENT):
        inner, said = code.removeprefix(OF_COTANGENT), "not of the result, but of the dy it used"
    found = kind(inner) if inner else None
    return found and replace(found, code=code, what=f"{found.what}; {said}")


def simple(code: str) -> str:
    """Return the code of `KINDS` that a code is, or is made of.

    >>> simple("sign-partly"), simple("only-up-to-0"), simple("ties")
    ('sign', 'only-up-to', 'ties')
    """
    if code in BY_CODE:
        return code
    inner = code.removesuffix(PARTLY)
    inner = inner if inner != code else code.removeprefix(OF_COTANGENT)
    return simple(inner) if inner != code else re.sub(r"-\d+$", "", code)
