"""Where gradients lie in a planned step: arrays of a pool, lent from the last reader of one to the next."""

from __future__ import annotations

from nnspec.record import Record


class Buffer:
    """Where a gradient lies: `slot` of the pool (None: an array of the kernel's own).

    `readers` counts the values whose gradient it is. `owned`: nothing else reads it. `below` are the buffers
    that it may be a view of.
    """

    def __init__(self, slot: int | None = None, owned: bool = True, below: tuple[Buffer, ...] = ()) -> None:
        self.slot = slot
        self.owned = owned
        self.below = below
        self.readers = 0
        for buffer in below:
            buffer.readers += 1

    @property
    def exclusive(self) -> bool:
        """Whether the one value that reads it may change it."""
        return self.owned and self.readers <= 1


class Gradient(Record):
    """The gradient of a value so far: the variable that holds it; or, of a scalar, the number that it is."""

    name: str
    buffer: Buffer
    number: float | None = None


class Pool:
    """Arrays that gradients are lent; `sizes` in numbers an example."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.free: list[int] = []

    def take(self, size: int) -> int:
        """The smallest free array that is large enough, else the largest free one, made larger, else a new one."""
        fitting = [slot for slot in self.free if self.sizes[slot] >= size]
        if fitting:
            slot = min(fitting, key=lambda i: self.sizes[i])
        elif self.free:
            slot = max(self.free, key=lambda i: self.sizes[i])
        else:
            slot = len(self.sizes)
            self.sizes.append(size)
            self.free.append(slot)
        self.free.remove(slot)
        self.sizes[slot] = max(self.sizes[slot], size)
        return slot

    def release(self, buffer: Buffer) -> None:
        """One reader less; the last one gives the array back."""
        buffer.readers -= 1
        if buffer.readers:
            return
        if buffer.slot is not None:
            self.free.append(buffer.slot)
        for below in buffer.below:
            self.release(below)
