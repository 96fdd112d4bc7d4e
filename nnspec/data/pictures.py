"""`images("folder")`: a folder of pictures for each class, decoded when a batch asks for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.data.errors import AGAIN, DataError, MissingData
from nnspec.data.resize import resize
from nnspec.data.stream import Stream
from nnspec.data.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Array = np.ndarray[Any, Any]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
DEEP = ("I", "F")  # more than 8 bits a pixel
DECODERS = 4  # threads: Pillow decodes outside the interpreter's lock
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # some others start programs of their own
MOST_PIXELS = 1 << 26
LARGE = 1 << 22  # pixels from which on one picture is decoded at a time
_ONE_LARGE = Lock()


class Pictures(Stream):
    """8-bit pictures (n, channels, height, width). `sized` gives them in other channels and sizes.

    `read(i)` opens the picture i, a Pillow image. Sizes of 0 are those that differ from picture to picture.
    """

    def __init__(self, read: Callable[[int], Any], names: Sequence[str], shape: tuple[int, int, int]) -> None:
        super().__init__((len(names), *shape), np.uint8)
        self.read, self.names = read, names

    def sized(self, channels: int, height: int, width: int) -> Pictures:
        return Pictures(self.read, self.names, (channels, height, width))

    def take(self, index: Array) -> Array:
        out = np.empty((len(index), *self.shape[1:]), np.uint8)

        def decode(place: int) -> None:
            out[place] = self.picture(int(index[place]))

        if len(index) < DECODERS:
            for place in range(len(index)):
                decode(place)
        else:
            with ThreadPoolExecutor(DECODERS) as pool:
                list(pool.map(decode, range(len(index))))
        return out

    def picture(self, number: int) -> Array:
        """One picture (channels, height, width), resized where it has another size. Raises DataError E0521."""
        channels, height, width = self.shape[1:]
        try:
            image = self.read(number)
            large = image.width * image.height > LARGE
            with image, _ONE_LARGE if large else nullcontext():
                require_usable(self.names[number], image)
                image.load()
                image = image if image.mode == MODES[channels] else image.convert(MODES[channels])
                array: Array = np.asarray(image).reshape(image.height, image.width, channels)
                first = np.moveaxis(array, -1, 0)
                return first if first.shape[1:] == (height, width) else resize(first[None], height, width)[0]
        except broken_pictures() as error:
            raise _broken(self.names[number], error) from error


def read_images(folder: Path) -> Table:
    """The pictures below a folder, in the order of their paths; those of a subfolder are of the class of its name.

    Every file is opened to see that it is a picture. Raises DataError E0520, E0521, MissingData.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError("E0520", f"the folder of images {folder} {what}", exit_code=2)
    pillow = pillow_image()
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    groups = [(p.name, _pictures_below(p)) for p in classes] or [("", _pictures_below(folder))]
    for name, files in groups:
        if not files:
            where = folder / name
            help = f"images are files of {', '.join(sorted(SUFFIXES))}"
            raise DataError("E0528", f"{where} holds no images", help=help, exit_code=2)
    paths = [path for _, files in groups for path in files]
    kinds = {_head(pillow, path) for path in paths}

    def read(number: int) -> Any:
        return pillow.open(paths[number], formats=FORMATS)

    columns = [Column("image", Pictures(read, [str(p) for p in paths], common_shape(kinds)), 0)]
    if classes:
        labels = np.array([name for name, files in groups for _ in files], dtype=object)
        columns.append(Column("label", labels, 1, role="target"))
    return Table(str(folder), columns, files=(folder,), kind="column", named=bool(classes))


def require_usable(name: str, image: Any) -> None:
    """Raises DataError where a picture that was opened, but not decoded, is none for a model."""
    if image.mode.startswith(DEEP):
        message = f"{name} has more than 8 bits a pixel (mode {image.mode})"
        raise DataError("E0529", message, help="convert it to 8 bits, or give its numbers as npz(...)")
    if image.width * image.height > MOST_PIXELS:
        message = f"{name} has {image.width:,} x {image.height:,} pixels, at most {MOST_PIXELS:,} are decoded"
        raise DataError("E0521", message, help="save it smaller: the model sees the declared size alone")
    if getattr(image, "is_animated", False) and image.format != "MPO":  # phones add a second view to a photograph
        raise DataError("E0529", f"{name} has several frames, a picture has one", help="save each as a file")


def broken_pictures() -> tuple[type[Exception], ...]:
    """What Pillow raises for files that are broken or too large."""
    return (OSError, ValueError, SyntaxError, pillow_image().DecompressionBombError)


def _broken(name: str, error: Exception) -> DataError:
    why = str(error).replace(f" {name!r}", "")  # Pillow says the name again
    return DataError("E0521", f"{name} cannot be read: {why}", help=AGAIN, exit_code=2)


def pillow_image() -> Any:
    """Pillow's module Image. Raises MissingData."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingData("images are read by Pillow, which is not installed", "images") from error
    return Image


def _pictures_below(folder: Path) -> list[Path]:
    found = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted((p for p in found if p.is_file()), key=lambda p: p.relative_to(folder).as_posix())


def shape_of(image: Any) -> tuple[int, int, int]:
    """Channels, height and width of a Pillow image; palettes and transparency count as colours."""
    return (1 if image.mode in ("1", "L") else 3), image.height, image.width


def _head(pillow: Any, path: Path) -> tuple[int, int, int]:
    """The shape that the head of a file says."""
    try:
        with pillow.open(path, formats=FORMATS) as image:
            require_usable(str(path), image)
            return shape_of(image)
    except broken_pictures() as error:
        raise _broken(str(path), error) from error


def common_shape(kinds: set[tuple[int, int, int]]) -> tuple[int, int, int]:
    """The shape of all pictures, 0 for sizes that differ; grey ones among coloured ones count as coloured."""
    channels, heights, widths = (set(sizes) for sizes in zip(*kinds, strict=True))
    height, width = (sizes.pop() if len(sizes) == 1 else 0 for sizes in (heights, widths))
    return max(channels), height, width
