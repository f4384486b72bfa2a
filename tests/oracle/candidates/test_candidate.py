"""What a plain candidate says."""

import numpy as np

from npcbam.oracle import Candidate


class Double(Candidate):
    name, parameters, buffers = "double", {"w": np.ones(1)}, {"mean": np.zeros(1)}

    def forward(self, params, x):
        return 2 * self.state(params)["w"] * x

    def vjp(self, params, x, dy):
        return None


def test_a_candidate_of_a_forward_alone():
    seen = Double().observe({"w": np.full(1, 3.0)}, np.ones((1, 2)))
    np.testing.assert_array_equal(seen.y, [[6, 6]])
    assert (seen.dtype, seen.printed) == ("float64", "")
    assert seen.params_after == {"w": [3.0], "mean": [0.0]}
    assert Double().replay("p", "x").endswith("y = block(p, x)")


def test_a_replay_keeps_the_braces_of_its_own():
    candidate = Double()
    candidate.setting = "options = {'dtype': '{dtype}'}\n"
    candidate.recipe = "y = block({k: 2 * v for k, v in {params}.items()}, {x}, {}, '{{x}}')"
    said = candidate.replay("{'{x}': p}", "x")
    assert said.startswith("options = {'dtype': 'float64'}\nblock = ")
    assert said.endswith("y = block({k: 2 * v for k, v in {'{x}': p}.items()}, x, {}, '{x}')")
