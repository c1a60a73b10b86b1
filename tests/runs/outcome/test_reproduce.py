"""A stranger's zip: read whole or refused with a sentence, nothing of it on the disk; and what a reproduction says."""

import contextlib
import hashlib
import io
import json
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from balign.measure.report import Reproduction
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs
from balign.runs.outcome import bundle, reproduce, zip_check
from balign.runs.outcome.zip_check import MadeWith
from tests.runs.small import digest

Fake = Callable[..., Run]
Files = dict[str, bytes]


def files(run: Run) -> Files:
    with zipfile.ZipFile(io.BytesIO(b"".join(bundle.stream(run)))) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def sums(content: Files) -> bytes:
    return b"".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode() for name, data in content.items())


def zipped(path: Path, content: Files, good_sums: bool = True, pack: int = zipfile.ZIP_DEFLATED) -> Path:
    content = {name: data for name, data in content.items() if not (good_sums and name == "SHA256SUMS")}
    with zipfile.ZipFile(path, "w", pack) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        if good_sums:
            archive.writestr("SHA256SUMS", sums(content))
    return path


def about(content: Files, **changes: object) -> bytes:
    return json.dumps(json.loads(content["bundle.json"]) | changes).encode()


def test_a_bundle_is_read_as_what_it_was_made_of(fake: Fake, tmp_path: Path) -> None:
    run = fake(keep=["a dog"])
    read = zip_check.read(bundle.write(run, tmp_path / "run.zip"))
    assert (read.config, read.run) == (run.config, run.id)
    with open(run.path / "erased.safetensors", "rb") as file:
        assert read.weights == zip_check.digest(file)
    assert read.made_with == MadeWith(steps=6, device="cpu", fingerprint="f" * 64, versions={"python": "3.11.0"})


HOSTILE: dict[str, Callable[[Files], Files]] = {
    "a path out of it": lambda f: f | {"../../evil.png": b"x"},
    "an absolute path": lambda f: f | {"/etc/cron.d/evil": b"x"},
    "a path with backslashes": lambda f: f | {"images\\after\\0.png": b"x"},
    "a drive": lambda f: f | {"C:evil.png": b"x"},
    "code": lambda f: f | {"setup.py": b"raise SystemExit"},
    "a pickle": lambda f: f | {"weights.pt": b"\x80\x04"},
    "a folder": lambda f: f | {"images/": b""},
    "a long name": lambda f: f | {"images/after/" + "9" * 5_000 + ".png": b"x"},
    "a control character": lambda f: f | {"images/after/1\n.png": b"x"},
    "markup in a name": lambda f: f | {"<img src=x onerror=alert(1)>": b"x"},
    "no config": lambda f: {n: d for n, d in f.items() if n != "config.json"},
    "no weights": lambda f: {n: d for n, d in f.items() if n != "erased.safetensors"},
    "nothing": lambda f: {},
    "a config with another key": lambda f: f | {"config.json": b'{"erase": ["cat"], "run": "rm -rf /"}'},
    "a config that is no json": lambda f: f | {"config.json": b"\xff{"},
    "a deep config": lambda f: f | {"config.json": b'{"a":' * 100_000},
    "a config of too many steps": lambda f: f | {"config.json": b'{"erase": ["cat"], "steps": 1e9}'},
    "a config of too many prompts": lambda f: (
        f | {"config.json": json.dumps({"erase": ["cat"], "keep": ["x"] * 3_000}).encode()}
    ),
    "a deep bundle.json": lambda f: f | {"bundle.json": b"[" * 100_000},
    "a bundle.json that is a list": lambda f: f | {"bundle.json": b"[1]"},
    "versions that are none": lambda f: f | {"bundle.json": about(f, versions=["x"])},
    "a version that is none": lambda f: f | {"bundle.json": about(f, versions={"python": {"a": 1}})},
    "steps that are text": lambda f: f | {"bundle.json": about(f, steps="<b>many</b>")},
    "a device that is none": lambda f: f | {"bundle.json": about(f, device=["cpu"] * 9_000)},
    "another format": lambda f: f | {"bundle.json": b'{"format": "balign bundle 99"}'},
    "weights that are none": lambda f: f | {"erased.safetensors": b"\xff" * 64},
    "weights cut short": lambda f: f | {"erased.safetensors": b"\x10\0\0\0\0\0\0\0{"},
    "empty weights": lambda f: f | {"erased.safetensors": b""},
    "a text too long": lambda f: f | {"config.json": b" " * 9_000_000},
    "a bomb": lambda f: f | {"images/after/1.png": bytes(100_000_000)},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_bundle_holds_is_a_sentence(fake: Fake, tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "evil.zip", HOSTILE[name](files(fake())))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refusal, match=r"\.$") as refusal:
        zip_check.read(path)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 600
    assert sorted(tmp_path.rglob("*")) == before
    assert len(list_runs()) == 1


@pytest.mark.parametrize("name", ["config.json", "erased.safetensors", "images/after/0001.png", "metrics.csv"])
def test_a_changed_file_is_named(fake: Fake, tmp_path: Path, name: str) -> None:
    content = files(fake())
    content[name] = content[name][:-1] + bytes([content[name][-1] ^ 1])
    with pytest.raises(Refusal, match=f"{name} is not what its sha256 says"):
        zip_check.read(zipped(tmp_path / "run.zip", content, good_sums=False))


@pytest.mark.parametrize("name", ["metrics.csv", "images/after/0001.png"])
def test_a_missing_file_is_named(fake: Fake, tmp_path: Path, name: str) -> None:
    content = files(fake())
    del content[name]
    with pytest.raises(Refusal, match=f"'{name}' is in the zip or in its SHA256SUMS, not in both"):
        zip_check.read(zipped(tmp_path / "run.zip", content, good_sums=False))


def test_two_files_of_one_name_are_refused(fake: Fake, tmp_path: Path) -> None:
    path = zipped(tmp_path / "run.zip", files(fake()))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", "{}")
    with pytest.raises(Refusal, match="two files of one name"):
        zip_check.read(path)


@pytest.mark.parametrize("pack", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(fake: Fake, tmp_path: Path, pack: int) -> None:
    with pytest.raises(Refusal, match="packed in a way that no bundle is"):
        zip_check.read(zipped(tmp_path / "run.zip", files(fake()), pack=pack))


def test_a_zip_of_a_million_names_is_refused_before_they_are_read(tmp_path: Path) -> None:
    """zipfile would make an object of each; a stored directory of 100 MB says it all in its last 22 bytes."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    many = entry * 400_000
    path = tmp_path / "many.zip"
    path.write_bytes(many + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(many), 0, 0))
    tracemalloc.start()
    with pytest.raises(Refusal, match="lists far more files"):
        zip_check.read(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"PK", b"x" * 1_000, b"PK\x05\x06" + bytes(17) + b"x"):
        path = tmp_path / "x.zip"
        path.write_bytes(content)
        with pytest.raises(Refusal, match="not a bundle"):
            zip_check.read(path)
    with pytest.raises(Refusal, match="There is no file"):
        zip_check.read(tmp_path / "none.zip")


def test_damage_anywhere_is_noticed_or_does_not_matter(fake: Fake, tmp_path: Path) -> None:
    """Bytes turned, cut off and put in: the outcome is a sentence, or the very bundle."""
    path = bundle.write(fake(), tmp_path / "run.zip")
    good, whole = zip_check.read(path), path.read_bytes()
    chance = random.Random(0)
    ends = [*range(len(whole) - 200, len(whole)), *(chance.randrange(len(whole)) for _ in range(150))]
    for place in ends:
        kind = chance.choice(("turn", "cut", "put"))
        hurt = bytearray(whole)
        if kind == "turn":
            hurt[place] ^= 1 << chance.randrange(8)
        elif kind == "cut":
            del hurt[place : place + chance.randrange(1, 40)]
        else:
            hurt[place:place] = chance.randbytes(5)
        path.write_bytes(hurt)
        with contextlib.suppress(Refusal):
            assert zip_check.read(path) == good


def test_the_name_of_a_run_is_a_name(fake: Fake, tmp_path: Path) -> None:
    content = files(fake())
    about = json.loads(content["bundle.json"])
    for name in ("<b>x</b>", "../x", 7, None, "x" * 500):
        content["bundle.json"] = json.dumps(about | {"run": name}).encode()
        assert zip_check.read(zipped(tmp_path / "run.zip", content)).run in ("another run", "7", "None")


def weights(notes: dict[str, str], last: int = 2) -> io.BytesIO:
    header = {"__metadata__": notes, "w": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}
    text = json.dumps(header).encode()
    return io.BytesIO(len(text).to_bytes(8, "little") + text + bytes([1, last]))


def test_weights_are_equal_by_their_bits_and_not_by_their_notes() -> None:
    assert zip_check.digest(weights({"step": "1"})) == zip_check.digest(weights({"step": "2", "a": "b"}))
    assert zip_check.digest(weights({})) != zip_check.digest(weights({}, last=3))


def test_a_reproduction_says_whether_it_is_one(fake: Fake, tmp_path: Path) -> None:
    from tests.host import fake_run

    first = fake()
    read = zip_check.read(bundle.write(first, tmp_path / "run.zip"))
    again = reproduce.begin(read)
    assert again.id != first.id
    assert again.config == first.config
    fake_run.main(str(again.path))
    report = again.report()
    assert report is not None
    equal = Reproduction(run=first.id, equal=True, words=f"The weights are those of {first.id}, bit for bit.")
    assert report.reproduces == equal
    assert reproduce.outcome(first, read.made_with) is None

    (again.path / "erased.safetensors").write_bytes(weights({}).read())
    made_with = MadeWith(steps=6, device="cuda", fingerprint="f" * 64, versions={"python": "3.12.0"})
    outcome = reproduce.outcome(again, made_with)
    assert outcome is not None
    assert not outcome.equal
    assert outcome.words == (
        f"The weights are not those of {first.id}: cuda was the device here and cpu there; "
        "python is 3.12.0 here and was 3.11.0 there."
    )


def test_a_real_run_is_made_again_bit_for_bit(configure: Callable[..., RunConfig], tmp_path: Path) -> None:
    from balign.runs.engine import execute

    first = Run.create(configure())
    list(execute.run(first))
    again = reproduce.begin(zip_check.read(bundle.write(first, tmp_path / "run.zip")))
    list(execute.run(again))
    report = again.report()
    assert report is not None
    words = f"The weights are those of {first.id}, bit for bit."
    assert report.reproduces == Reproduction(run=first.id, equal=True, words=words)
    assert digest(again.path / "images/after/0000.png") == digest(first.path / "images/after/0000.png")


def unlikely(whole: bytes) -> dict[str, bytes]:
    """Zips with a name that is no text, or with a place that no file has."""
    end = whole.rindex(b"PK\5\6")
    count, size, start = struct.unpack("<H2L", whole[end + 10 : end + 20])
    name = struct.unpack("<H", whole[start + 28 : start + 30])[0]

    def named(at: int, flag: int, begin: int) -> bytes:
        changed = bytearray(whole)
        changed[at + flag : at + flag + 2], changed[at + begin] = struct.pack("<H", 0x800), 0xFF
        return bytes(changed)

    def placed(place: int) -> bytes:
        entry = bytearray(whole[start : start + 46 + name])
        entry[30:32], entry[42:46] = struct.pack("<H", 12), b"\xff" * 4
        entry += struct.pack("<HHQ", 1, 8, place)
        listed = bytes(entry) + whole[start + 46 + name : end]
        return whole[:start] + listed + whole[end : end + 12] + struct.pack("<2LH", len(listed), start, 0)

    def ended(place: int) -> bytes:
        wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, place)
        wide += struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
        return whole[:end] + wide + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)

    return {
        "name in the list": named(start, 8, 46),
        "name in a header": named(0, 6, 30),
        **{f"header at {place}": placed(place) for place in (2**64 - 1, 2**63, 2**63 - 1, 2**62)},
        **{f"list at {place}": ended(place) for place in (2**64 - 1, 2**63, 2**62)},
    }


def test_a_place_that_no_file_has_and_a_name_that_is_no_text_are_damage(fake: Fake, tmp_path: Path) -> None:
    content = files(fake())
    whole = zipped(tmp_path / "good.zip", content).read_bytes()
    for what, damaged in unlikely(whole).items():
        (tmp_path / "odd.zip").write_bytes(damaged)
        with pytest.raises(Refusal, match="damaged") as refusal:
            zip_check.read(tmp_path / "odd.zip")
        assert str(refusal.value).isprintable(), what
