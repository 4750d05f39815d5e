"""Pictures as text and as files: the form is what the file's name ends in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nneft.feynman.drawing.plate import Plate, plate_of
from nneft.feynman.drawing.primitives import Picture
from nneft.feynman.drawing.styles import listed, style_named
from nneft.feynman.drawing.svg import svg
from nneft.feynman.drawing.tikz import document, tikz
from nneft.storage import temporary_beside

#: Endings of the names of files that hold pictures.
ENDINGS = (".svg", ".pdf", ".png", ".tex")


def svg_text(picture: Picture, style: str) -> str:
    """One picture as SVG."""
    return svg(plate_of(picture, style_named(style)))


def tikz_text(pictures: Sequence[Picture], style: str) -> str:
    """Pictures as TikZ, one ``tikzpicture`` each."""
    look = style_named(style)
    return "\n".join(tikz(picture, look) for picture in pictures)


def save_picture(picture: Picture, path: str | Path, style: str) -> None:
    """Write one picture in the form that the file's name asks for."""
    save([plate_of(picture, style_named(style))], [picture], path, style)


def save(
    plates: Sequence[Plate], pictures: Sequence[Picture], path: str | Path, style: str
) -> None:
    """Write a sheet; as LaTeX the pictures on it, each on a page of its own.

    Raises
    ------
    ValueError
        A form that there is not, or a place where nothing can be written.
    """
    ending = ending_of(path, ENDINGS)
    with replacing(path) as file:
        if ending == ".svg":
            file.write(svg(plates[0]).encode())
        elif ending == ".tex":
            file.write(document(pictures, style_named(style)).encode())
        else:
            from nneft.feynman.drawing.raster import write_pdf, write_png

            if ending == ".pdf":
                write_pdf(plates, file)
            else:
                write_png(plates[0], file)


def ending_of(path: str | Path, known: Sequence[str]) -> str:
    """What a file's name ends in, in small letters.

    Raises
    ------
    ValueError
        It is none of those known.
    """
    ending = Path(path).suffix.lower()
    if ending not in known:
        raise ValueError(
            f"cannot draw {path}: unknown format {ending!r}; there are {listed(known)}"
        )
    return ending


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A file under a temporary name beside the target, renamed when all is written."""
    with temporary_beside(path) as name, open(name, "wb") as file:
        yield file
