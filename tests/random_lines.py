"""Random lines of Python in the vocabulary of emitted code."""

from __future__ import annotations

import random

_NAMES = ["x", "h_2", "logits", "self", "params", "batch", "encoder_layers_encoder_layer_0_cache", "running_variance"]
_PATHS = ["np", "jax.nn", "F", "self.conv1", "torch", "self.encoder.layers", "jax.lax", "nn"]
_CALLS = ["relu", "reshape", "conv_general_dilated", "sum", "scaled_dot_product_attention", "mean"]
_OPERATORS = [*("+", "-", "*", "/", "@") * 3, "//", "**", "&", "|", "==", "<", "!=", "and", "or", "in", "not in"]
_LOOSE = {"and": 1, "or": 0, **dict.fromkeys(["==", "<", "!=", "in", "not in"], 2)}


class Lines:
    """Statements by the same generator for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    def name(self) -> str:
        return self.pick(*_NAMES)

    def statement(self) -> str:
        value = self.expression(4)
        forms = [
            f"return {value}",
            f"{self.name()} = {value}",
            f"{self.name()}, {self.name()} = {value}",
            f"{self.name()}[{self.atom(1)}] = {value}",
            f"{self.pick(*_PATHS)}.{self.name()} += {value}",
            f"self.{self.name()}: dict[str, Any] = {value}",
            f"return {value}, {self.expression(2)}",
            f"return {value}, {self.expression(1)}, {self.expression(2)}",
            f"{self.name()} = {value}, {self.expression(1)}",
            f"{self.pick(*_PATHS)}.{self.pick(*_CALLS)}({self.arguments(3)})",
            f"assert {value}",
        ]
        return self.random.choice(forms)

    def expression(self, depth: int) -> str:
        draw = self.random.random()
        if depth <= 0 or draw < 0.35:
            return self.chain(depth)
        if draw < 0.65:
            return self.operation(depth)
        if draw < 0.72:
            return f"{self.operation(depth - 1)} if {self.operation(depth - 2)} else {self.chain(depth - 1)}"
        if draw < 0.78:
            return f"{self.pick('-', 'not ', '~')}{self.chain(depth - 1)}"
        return self.display(depth)

    def operation(self, depth: int) -> str:
        marks = [self.pick(*_OPERATORS) for _ in range(self.random.randint(1, 4 if depth > 1 else 1))]
        parts = [self.chain(depth - 1)]
        for mark in marks:
            parts += [mark, self.chain(depth - 1)]
        return " ".join(parts)

    def chain(self, depth: int) -> str:
        """A value with calls, entries and attributes behind it."""
        text = self.atom(depth)
        for _ in range(self.random.randint(0, 4) if depth > 0 and self.random.random() < 0.7 else 0):
            text += self.random.choice(
                [
                    f".{self.pick(*_CALLS)}({self.arguments(depth - 1)})",
                    f".{self.pick('T', 'shape', 'indices')}",
                    f"[{self.bounds(depth - 1)}]",
                    f".{self.pick(*_CALLS)}()",
                ]
            )
        return text

    def atom(self, depth: int) -> str:
        draw = self.random.random()
        if depth > 0 and draw < 0.15:
            return f"({self.operation(depth - 1)})"
        if depth > 0 and draw < 0.6:
            return f"{self.pick(*_PATHS)}.{self.pick(*_CALLS)}({self.arguments(depth - 1)})"
        if draw < 0.7:
            return self.pick('"encoder.weight"', '"x"', '"NCHW"')
        return self.name() if draw < 0.9 else f"self.{self.name()}"

    def arguments(self, depth: int) -> str:
        return ", ".join(self.argument(depth) for _ in range(self.random.randint(0, 4)))

    def argument(self, depth: int) -> str:
        draw = self.random.random()
        if draw < 0.1:
            return f"lambda a, b: {self.expression(depth)}"
        if draw < 0.15:
            return f"*{self.chain(depth)}"
        return self.expression(depth)

    def bounds(self, depth: int) -> str:
        forms = [self.operation(depth), f":, {self.name()}", f"{self.name()}:", "None, :", f"..., -{self.name()}:"]
        return self.random.choice(forms)

    def display(self, depth: int) -> str:
        entries = [self.expression(depth - 1) for _ in range(self.random.randint(0, 4))]
        loop = f"for {self.pick('k', 'k, v', 'name, value')} in {self.chain(depth - 1)}"
        loop += f" if {self.operation(0)}" if self.random.random() < 0.3 else ""
        forms = [
            "[" + ", ".join(entries) + "]",
            "{" + ", ".join(f'"{self.name()}": {entry}' for entry in entries) + "}",
            "(" + ", ".join([*entries, self.name()]) + ("," if not entries else "") + ")",
            f"[{self.operation(depth - 1)} {loop}]",
            f"{{k: {self.chain(depth - 1)} {loop}}}",
            f"{self.pick(*_CALLS)}({self.chain(depth - 1)} {loop})",
        ]
        return self.random.choice(forms)
