"""Checks of gradients, timed beside PyTorch's."""

from npcbam import cli
from npcbam.bench import gradients


def test_gradients_are_timed_on_both(monkeypatch, capsys):
    monkeypatch.setattr(gradients, "CHANNELS", 4)
    monkeypatch.setattr(gradients, "SIDE", 2)
    assert cli.main(["bench", "--gradcheck"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("all parameters and x, C = 4, 2 × 2, float64")
    assert [line.split()[0] for line in lines[1:]] == ["check_vjp", "torch.autograd.gradcheck"]
