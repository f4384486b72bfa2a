"""Several wrong arrays of one backward."""

import numpy as np
from arrays_seen import draw

from npcbam.diagnosis import Diagnosis, Wrong
from npcbam.diagnosis.several import exchanged, merged

A, B, C = draw(3), draw(3, seed=2), draw(3, seed=3)


def seen(**pairs):
    return {name: [Wrong(name, got, want, 1e-12)] for name, (got, want) in pairs.items()}


def test_two_have_changed_places():
    (found,) = exchanged(seen(da=(B, A), db=(A, B)))
    assert found.sentence == "da and db have changed places"


def test_three_are_in_another_order():
    (found,) = exchanged(seen(da=(B, A), db=(C, B), dc=(A, C)))
    assert found.sentence == (
        "the cotangents are in another order: da holds db, db holds dc and dc holds da"
    )


def test_a_copy_is_no_exchange():
    assert exchanged(seen(da=(B, A), db=(C, B))) == []
    assert exchanged(seen(da=(np.ones(2), A), db=(A, B))) == []


def test_what_is_alike_is_said_once():
    one, two = (Diagnosis("sign", f"{n} has the wrong sign", (n,)) for n in ("da", "db"))
    other = Diagnosis("zero", "dc is all zeros, and should not be", ("dc",))
    assert merged([one, other, two]) == [
        Diagnosis("sign", "da and db: each has the wrong sign", ("da", "db")),
        other,
    ]
    assert merged([one, other]) == [one, other]
