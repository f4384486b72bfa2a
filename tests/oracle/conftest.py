"""Gives the candidates of PyTorch the same weights in every run."""

import torch


def pytest_pycollect_makemodule():
    """PyTorch starts from another seed in each process, and some tests build modules as theirs."""
    torch.manual_seed(0)
