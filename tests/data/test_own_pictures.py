"""A zip or folder of pictures is taken as trainers take it, and a hostile one is refused in one sentence."""

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from balign.data import own_pictures
from balign.data.captions import swapped, to_forget, to_keep
from balign.data.own_pictures import caption_of, gather
from balign.data.plan import Plan
from balign.data.targets import resolve
from balign.refusal import Refusal

Content = dict[str, bytes]


def picture(colour: object = "red", size: tuple[int, int] = (48, 40), form: str = "PNG", mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, colour).save(written, form)  # type: ignore[arg-type]
    return written.getvalue()


def zipped(path: Path, content: Content, **more: object) -> Path:
    with zipfile.ZipFile(path, "w", **more) as archive:  # type: ignore[call-overload]
        for name, part in content.items():
            archive.writestr(name, part)
    return path


def good() -> Content:
    return {
        "a.png": picture("red"),
        "b.jpg": picture("green", form="JPEG"),
        "sub/c.webp": picture("blue", form="WEBP"),
        "d.JPEG": picture((9, 9, 9), form="JPEG"),
        "a.txt": b"a red cat\n",
        "sub/metadata.csv": b'file_name,text\nc.webp,"a cat, in blue"\n',
        "__MACOSX/._a.png": b"litter",
        ".DS_Store": b"litter",
        "readme.md": b"# Cats",
    }


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_zip_and_a_folder_give_the_same(tmp_path: Path, as_folder: bool) -> None:
    path = zipped(tmp_path / "cats.zip", good(), compression=zipfile.ZIP_DEFLATED)
    if as_folder:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "cats")
        path = tmp_path / "cats"
    found = gather(path, 32, 10)
    assert [each.caption for each in found.pictures] == ["a red cat", "b", "d", "a cat, in blue"]
    assert found.remarks == ()
    for each in found.pictures:
        with Image.open(io.BytesIO(each.content)) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))
        assert each.sha256 == hashlib.sha256(each.content).hexdigest()
    assert [p.sha256 for p in found.pictures] == [p.sha256 for p in gather(path, 32, 10).pictures]


def test_the_middle_is_kept_upright_on_white(tmp_path: Path) -> None:
    wide = Image.new("RGB", (96, 32), "red")
    wide.paste("blue", (32, 0, 64, 32))
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.merge("RGB", [Image.linear_gradient("L")] * 3).save(turned, "JPEG", exif=exif)
    middle = io.BytesIO()
    wide.save(middle, "PNG")
    content = {
        "1.png": middle.getvalue(),
        "2.png": picture((0, 0, 0, 0), mode="RGBA"),
        "3.png": picture(65_535, mode="I;16"),
        "4.jpg": turned.getvalue(),
        "5.jpg": picture((0, 0, 0, 0), form="JPEG", mode="CMYK"),
    }
    shown = [
        Image.open(io.BytesIO(each.content)) for each in gather(zipped(tmp_path / "x.zip", content), 32, 9).pictures
    ]
    assert shown[0].getpixel((16, 16)) == (0, 0, 255)
    assert shown[1].getpixel((3, 3)) == (255, 255, 255)
    assert shown[-1].getpixel((16, 3))[0] == pytest.approx(shown[-1].getpixel((16, 29))[0], abs=4)  # type: ignore[index]


def test_the_same_picture_counts_once(tmp_path: Path) -> None:
    content = {"a.png": picture(), "b.png": picture(), "c.png": picture("blue")}
    found = gather(zipped(tmp_path / "x.zip", content), 32, 9)
    assert [each.caption for each in found.pictures] == ["a", "c"]
    assert found.remarks == ("1 of 3 pictures are the same as another and count once.",)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("a_red-cat (3).png", "a red cat"),
        ("cat001.jpg", "cat001"),
        ("012_cat on_sofa.webp", "cat on sofa"),
        ("IMG_2034.JPG", ""),
        ("DSC00012.jpg", ""),
        ("PXL_20240101_120000.jpg", ""),
        ("4f3c2d1e9a8b7c6d.png", ""),
        ("Screenshot 2024-01-02.png", ""),
        ("00017.png", ""),
        ("sub/chat noir.png", "chat noir"),
        ("猫.png", "猫"),
    ],
)
def test_a_caption_is_read_from_the_name_if_it_is_one(name: str, caption: str) -> None:
    assert caption_of(name) == caption


def png_header(width: int, height: int) -> bytes:
    """A png that says how large it is and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def animated() -> bytes:
    written = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    frames[0].save(written, "WEBP", save_all=True, append_images=frames[1:])
    return written.getvalue()


def linked(path: Path) -> Path:
    link = zipfile.ZipInfo("cat.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return path


def twice(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat.png", picture())
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("cat.png", picture("blue"))
    return path


def flagged(path: Path) -> Path:
    content = bytearray(zipped(path, {"cat.png": picture()}).read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    path.write_bytes(content)
    return path


def cut(path: Path) -> Path:
    content = zipped(path, {"cat.png": picture()}).read_bytes()
    path.write_bytes(content[:40] + b"\0" * 20 + content[60:])
    return path


def holding(content: Content, **more: object) -> Callable[[Path], Path]:
    return lambda path: zipped(path, content, **more)


def raw(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no zip": (raw(b"x" * 100), "This is no zip"),
    "a picture itself": (raw(picture()), "This is no zip"),
    "an empty file": (raw(b""), "This is no zip"),
    "an empty zip": (holding({}), "holds no picture"),
    "other files alone": (holding({"run.exe": b"MZ", "inner.zip": b"PK"}), "holds no picture"),
    "too many": (holding({f"{k}.png": b"" for k in range(6)}), "holds 6 pictures; at most 5"),
    "a path up": (holding({"../cat.png": picture()}), "leads out of it"),
    "a path up inside": (holding({"a/../../cat.png": picture()}), "leads out of it"),
    "an absolute path": (holding({"/etc/cat.png": picture()}), "leads out of it"),
    "a path of windows": (holding({"..\\cat.png": picture()}), "leads out of it"),
    "a drive": (holding({"C:/cat.png": picture()}), "leads out of it"),
    "a name that steers": (holding({"cat\x1b[2J.png": picture()}), "control characters"),
    "a link": (linked, "is a link or a device"),
    "two of one name": (twice, "two files of one name"),
    "encrypted": (flagged, "encrypted or packed"),
    "packed by bzip2": (holding({"cat.png": picture()}, compression=zipfile.ZIP_BZIP2), "encrypted or packed"),
    "spoiled": (cut, "damaged|cannot be read"),
    "a zip bomb": (
        holding({f"{k}.png": bytes(20_000_000) for k in range(4)}, compression=zipfile.ZIP_DEFLATED),
        "would unpack",
    ),
    "a picture of too many bytes": (holding({"cat.png": bytes(50_000_001)}), "50,000,001 bytes"),
    "a picture bomb": (holding({"cat.png": png_header(60_000, 60_000)}), "far more than the 50,000,000 pixels"),
    "a small picture bomb": (holding({"cat.png": png_header(9_000, 9_000)}), "9,000 x 9,000 pixels"),
    "a picture without end": (holding({"cat.png": picture()[:-30]}), "cannot be read"),
    "no picture under its name": (holding({"cat.png": b"<script>alert(1)</script>"}), "cannot be read"),
    "svg as png": (holding({"cat.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}), "cannot be read"),
    "postscript as jpeg": (
        holding({"cat.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n"}),
        "cannot be read",
    ),
    "gif as png": (holding({"cat.png": picture(form="GIF")}), "cannot be read"),
    "a header alone": (holding({"cat.png": png_header(64, 64)}), "cannot be read"),
    "an animation": (holding({"cat.webp": animated()}), "is animated"),
    "a picture of one pixel": (holding({"cat.png": picture(size=(1, 1))}), "1 x 1 pixels"),
    "a caption that steers": (
        holding({"cat.png": picture(), "cat.txt": b"a cat\x1b]0;\x07"}),
        "control characters",
    ),
    "a caption without end": (holding({"cat.png": picture(), "cat.txt": b"cat " * 1_000}), "3,999 characters"),
    "a caption in no utf-8": (holding({"cat.png": picture(), "cat.txt": b"\xff\xfe\0\0"}), "not in utf-8"),
    "a table of something else": (holding({"cat.png": picture(), "x.csv": b"a,b\n1,2\n"}), "no columns `file_name`"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_is_one_sentence(tmp_path: Path, name: str) -> None:
    make, why = HOSTILE[name]
    path = make(tmp_path / "x.zip")
    with pytest.raises(Refusal, match=why) as refused:
        gather(path, 32, 5)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert sentence.isprintable()
    assert len(sentence) < 250
    assert str(tmp_path) not in sentence
    assert list(tmp_path.iterdir()) == [path]  # nothing was unpacked


def test_a_picture_in_a_folder_may_be_no_link(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "secret.png").write_bytes(picture())
    (tmp_path / "cats" / "cat.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(Refusal, match="holds no picture"):
        gather(tmp_path / "cats", 32, 5)


@pytest.mark.parametrize(
    ("text", "phrase", "other", "expected"),
    [
        ("a cat on a sofa", "cat", "dog", "a dog on a sofa"),
        ("Two Cats, one cat", "cat", "dog", "Two dog, one dog"),
        ("a cat", "cat", "apple", "an apple"),
        ("an owl at night", "owl", "cat", "a cat at night"),
        ("a Van Gogh painting of van gogh", "van gogh", "Monet", "a Monet painting of Monet"),
        ("a nude woman", "nude", "", "a woman"),
        ("a category", "cat", "dog", "a category"),
    ],
)
def test_a_name_is_swapped_in_a_caption(text: str, phrase: str, other: str, expected: str) -> None:
    assert swapped(text, phrase, other) == expected


def test_captions_name_what_is_to_be_forgotten_or_are_given_its_name() -> None:
    one, two = resolve(["cat"]), resolve(["cat", "pizza"])
    anchor = Plan(one, 0).anchors[0]
    prompts, others = to_forget(["a blue kitten", "", "on a sofa"], one.targets, [anchor])
    assert prompts[0] == "a blue kitten"
    assert others[0] == f"a blue {anchor}"
    assert [prompt.replace("cat", anchor) for prompt in prompts[1:]] == others[1:]
    assert prompts[2].endswith(", on a sofa")
    with pytest.raises(Refusal, match=r"A picture to forget has no caption, which names none of cat, pizza"):
        to_forget([""], two.targets, ["dog", "burger"])
    assert to_forget(["a cat with a pizza"], two.targets, ["dog", "burger"])[1] == ["a dog with a burger"]
    assert to_keep(["a dog", ""], one.forms) == ["a dog", "a picture"]
    with pytest.raises(Refusal, match=r"is called 'two cats' and names 'cat'"):
        to_keep(["two cats"], one.forms)


def test_it_keeps_to_what_it_says() -> None:
    assert own_pictures.MOST_PIXELS * 3 < 200_000_000  # bytes of one picture, decoded
