"""Pictures of somebody's own to forget or keep: a zip or a folder, checked whole before anything is drawn.

Captions are a text file beside the picture, a row of a table (`metadata.csv`, or any with a column of file names), or
the file's name. Nothing is unpacked onto the disk; each picture is cropped to a square of the model's size.
"""

import contextlib
import csv
import hashlib
import io
import re
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps

from balign import plain_text
from balign.foreign_zip import foreign
from balign.refusal import Refusal

Listed = TypeVar("Listed")
PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
TEXTS = (".txt", ".caption")
FILE_NAMES = ("file_name", "filename", "file", "image", "image_path", "path")
CAPTIONS = ("text", "caption", "prompt", "description")
MOST_BYTES = 50_000_000
"""Of one picture."""
MOST_TEXT = 5_000_000
MOST_FILES = 20_000
MOST_PIXELS = 50_000_000
LEAST_SIDE = 32
LONGEST = 300
"""Characters of a caption."""
ASIDE = re.compile(r"(^|/)(\.|__MACOSX/|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
CAMERA = re.compile(r"(img|dscn?|dscf|pxl|vid|image|photo|picture|pic|screenshot|untitled|download|unnamed|wa)?", re.I)
NONE = "This is no zip; a zip or a folder of png, jpeg or webp pictures is accepted."


class OwnPicture(NamedTuple):
    """A picture as it is trained on: a png, its sha256, and its caption, which is empty if nothing gives one."""

    caption: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Gathered(NamedTuple):
    """The pictures, each once, in the order of their names, and a sentence for what was left out."""

    pictures: tuple[OwnPicture, ...]
    remarks: tuple[str, ...]


class _File(NamedTuple):
    """A file of the zip or folder: its size and how to read so many bytes of it."""

    size: int
    read: Callable[[int], bytes]


def gather(path: Path, side: int, most: int) -> Gathered:
    """The pictures of a zip or folder, at most so many, each `side` pixels wide and high.

    Raises Refusal if there are none or too many, and for anything in them that is not as it should be.
    """
    with _files(path) as files:
        names = sorted(name for name in files if PurePosixPath(name).suffix.lower() in PICTURES)
        if not names:
            raise Refusal(f"{path.name} holds no picture; png, jpeg and webp are accepted.")
        if len(names) > most:
            raise Refusal(f"{path.name} holds {len(names):,} pictures; at most {most:,} are accepted.")
        captions = _captions(files)
        found: dict[str, OwnPicture] = {}
        for name in names:
            picture = OwnPicture(captions.get(name, ""), _square(name, files[name], side))
            found.setdefault(picture.sha256, picture)
    remarks = []
    if len(found) < len(names):
        remarks.append(f"{len(names) - len(found)} of {len(names)} pictures are the same as another and count once.")
    return Gathered(tuple(found.values()), tuple(remarks))


def check_png(content: bytes, sha256: str) -> None:
    """Raise Refusal unless this is the png of this hash that `gather` may have made, before a pixel of it is read."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Refusal(f"The picture {sha256[:12]} is not the one of its name.")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            large = image.width * image.height > MOST_PIXELS
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        large = True
    if large:
        raise Refusal(f"The picture {sha256[:12]} is no png of at most {MOST_PIXELS:,} pixels.")


def caption_of(name: str) -> str:
    """The caption in a file's name; empty for what a camera or a browser calls its files."""
    words = re.sub(r"[\s_\-.+]+", " ", PurePosixPath(name).stem)
    words = re.sub(r"\s*\(\d*\)|(?<!\w)[0-9a-f]{8,}(?!\w)|\s*\b\d+$|^\d+\b\s*", "", words, flags=re.IGNORECASE)
    letters = [word for word in words.split() if any(char.isalpha() for char in word)]
    if all(CAMERA.fullmatch(re.sub(r"\d", "", word)) for word in letters):
        return ""
    return " ".join(words.split())


@contextlib.contextmanager
def _files(path: Path) -> Iterator[Mapping[str, _File]]:
    """The files of a zip or a folder that are no litter of an operating system, by name."""
    if path.is_dir():
        listed = (file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink())
        names = {file.relative_to(path).as_posix(): file for file in listed}
        yield {
            name: _File(file.stat().st_size, lambda most, file=file: _beginning(file, most))  # type: ignore[misc]
            for name, file in _counted(names).items()
        }
        return
    with foreign(path, "zip of pictures", NONE) as (archive, members):
        for name, info in members.items():
            _refuse_tricks(name, info)
        files = {name: info for name, info in members.items() if not info.is_dir()}
        yield {name: _of_zip(archive, info) for name, info in _counted(files).items()}


def _counted(files: Mapping[str, Listed]) -> dict[str, Listed]:
    kept = {name: file for name, file in files.items() if not ASIDE.search(name)}
    if len(kept) > MOST_FILES:
        raise Refusal(f"{len(kept):,} files were given; at most {MOST_FILES:,} are accepted.")
    return kept


def _beginning(file: Path, most: int) -> bytes:
    with file.open("rb") as content:
        return content.read(most)


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _File:
    def read(most: int) -> bytes:
        with archive.open(info) as content:
            return content.read(most)

    return _File(info.file_size, read)


def _refuse_tricks(name: str, info: zipfile.ZipInfo) -> None:
    """Names and kinds of entries that no honest zip has, though nothing is ever written by them."""
    shown = plain_text.harmless(name[:80])
    if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or re.match(r"[A-Za-z]:", name):
        raise Refusal(f"The zip holds {shown!r}, which leads out of it.")
    if plain_text.harmless(name) != name:
        raise Refusal(f"The zip holds {shown!r}, a name with control characters.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refusal(f"The zip holds {shown!r}, which is a link or a device and no file.")


def _square(name: str, file: _File, side: int) -> bytes:
    """The picture, cropped in the middle, as a png. Raises Refusal for one that cannot be read or is too large."""
    shown = plain_text.harmless(PurePosixPath(name).name[:80])
    if file.size > MOST_BYTES:
        raise Refusal(f"The picture {shown!r} has {file.size:,} bytes; at most {MOST_BYTES:,} are accepted.")
    content = file.read(MOST_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # PIL's own limit on pixels is higher than ours, and odd metadata is no matter
            image = Image.open(io.BytesIO(content), formats=tuple(set(PICTURES.values())))
            _refuse_size(shown, image)
            image.draft("RGB", (2 * side, 2 * side))
            upright = ImageOps.exif_transpose(image)
            square = ImageOps.fit(_rgb(upright), (side, side), Image.Resampling.LANCZOS)
    except Refusal:
        raise
    except Image.DecompressionBombError:
        raise Refusal(f"The picture {shown!r} has far more than the {MOST_PIXELS:,} pixels accepted.") from None
    except Exception as error:  # PIL's readers raise whatever a spoiled file makes them meet
        if isinstance(error, MemoryError):
            raise
        raise Refusal(f"The picture {shown!r} cannot be read; a whole png, jpeg or webp is accepted.") from None
    written = io.BytesIO()
    square.save(written, "PNG")
    return written.getvalue()


def _refuse_size(shown: str, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise Refusal(f"The picture {shown!r} has {width:,} x {height:,} pixels; at most {MOST_PIXELS:,} are accepted.")
    if min(width, height) < LEAST_SIDE:
        raise Refusal(
            f"The picture {shown!r} has {width} x {height} pixels; at least {LEAST_SIDE} each way are needed."
        )
    if getattr(image, "n_frames", 1) > 1:
        raise Refusal(f"The picture {shown!r} is animated; single pictures are accepted.")


def _rgb(image: Image.Image) -> Image.Image:
    """In three channels of 8 bits; what is transparent becomes white."""
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits a channel
        image = Image.fromarray((np.asarray(image).astype(np.float64) / 257).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured).convert("RGB")
    return image.convert("RGB")


def _captions(files: Mapping[str, _File]) -> dict[str, str]:
    """A caption for each file that has one: from the text beside it, else from a table, else from its name."""
    found = {name: caption_of(name) for name in files}
    for name, file in files.items():
        if name.lower().endswith(".csv"):
            found |= {known: text for known, text in _rows(name, file).items() if known in files}
    by_stem = {str(PurePosixPath(n).with_suffix("")): n for n in files if PurePosixPath(n).suffix.lower() in PICTURES}
    for name, file in files.items():
        pictured = by_stem.get(str(PurePosixPath(name).with_suffix("")))
        if PurePosixPath(name).suffix.lower() in TEXTS and pictured:
            found[pictured] = _text(name, file)
    return {name: _clean(name, text) for name, text in found.items() if PurePosixPath(name).suffix.lower() in PICTURES}


def _rows(name: str, file: _File) -> dict[str, str]:
    """What a table says of each file. Raises Refusal for one that has no columns of names and captions."""
    text = _text(name, file)
    head = text.partition("\n")[0]
    mark = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=mark)
    try:
        columns = {str(column).strip().lower(): column for column in reader.fieldnames or ()}
        file_column = next((columns[known] for known in FILE_NAMES if known in columns), None)
        text_column = next((columns[known] for known in CAPTIONS if known in columns), None)
        if file_column is None or text_column is None:
            raise Refusal(f"The table {plain_text.harmless(name[:80])!r} has no columns `file_name` and `text`.")
        beside = PurePosixPath(name).parent
        return {str(beside / (row[file_column] or "")): row[text_column] or "" for row in reader}
    except csv.Error as error:
        raise Refusal(f"The table {plain_text.harmless(name[:80])!r} is unreadable ({error}).") from None


def _text(name: str, file: _File) -> str:
    shown = plain_text.harmless(name[:80])
    if file.size > MOST_TEXT:
        raise Refusal(f"The text {shown!r} has {file.size:,} bytes; at most {MOST_TEXT:,} are accepted.")
    try:
        return file.read(MOST_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal(f"The text {shown!r} is not in utf-8.") from None


def _clean(name: str, caption: str) -> str:
    """The caption as one line. Raises Refusal for one that is too long, or steers a terminal."""
    text = " ".join(caption.split())
    shown = plain_text.harmless(PurePosixPath(name).name[:80])
    if len(text) > LONGEST:
        raise Refusal(f"The caption of {shown!r} has {len(text):,} characters; at most {LONGEST} are accepted.")
    if not text:
        return ""
    try:
        plain_text.check(text)
    except ValueError as error:
        raise Refusal(f"The caption of {shown!r} {error}.") from None
    return text
