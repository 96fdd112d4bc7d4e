"""The GPT in PyTorch with its objective compiled. Needs a C++ compiler, and a minute before its first step."""

from __future__ import annotations

from peers import gpt_torch_tuned


def start(data, state):
    return gpt_torch_tuned.start(data, state, compiled=True)
