"""The garbage collector, held while a compilation builds what it keeps.

Trees and graphs are many small objects that live to the end: the collector would walk ever more of them, up to half of
the time, and free nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Without collections inside; also a decorator. Inside of another one it changes nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
