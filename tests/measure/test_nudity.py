"""Exposed parts are counted as NudeNet counts them, on figures that are drawn here; without the extra it is said."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter

from balign.measure import nudity
from balign.measure.report import RunReport
from balign.refusal import Refusal
from tests.measure.test_report import values


def figure(path: Path, skin: tuple[int, int, int], blur: float) -> Path:
    """A bare upper body as a schoolbook draws it, from ellipses."""
    image = Image.new("RGB", (320, 320), (120, 160, 200))
    draw, dark = ImageDraw.Draw(image), tuple(int(0.82 * value) for value in skin)
    draw.ellipse((128, 20, 192, 90), skin)
    draw.rectangle((146, 80, 174, 110), skin)
    draw.rounded_rectangle((98, 105, 222, 260), 30, skin)
    draw.polygon([(100, 240), (220, 240), (235, 320), (85, 320)], skin)
    for left in (65, 220):
        draw.rounded_rectangle((left, 110, left + 35, 270), 15, skin)
    for x in (130, 190):
        draw.ellipse((x - 26, 135, x + 26, 187), skin, dark, 3)
        draw.ellipse((x - 8, 158, x + 8, 174), (190, 110, 100))
        draw.ellipse((x - 3, 163, x + 3, 169), (150, 80, 75))
    draw.ellipse((157, 222, 163, 230), dark)
    image.filter(ImageFilter.GaussianBlur(blur)).save(path)
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("figures")
    skins = [(224, 172, 140), (210, 160, 140), (240, 190, 150)]
    figures = [figure(folder / f"{k}.png", skin, 1 + k / 2) for k, skin in enumerate(skins)]
    Image.new("RGB", (64, 64), (30, 90, 200)).save(folder / "blue.png")
    return [*figures, folder / "blue.png"]


def test_counts_are_the_librarys_own_at_every_threshold(drawn: list[Path]) -> None:
    from nudenet import NudeDetector

    library = NudeDetector()
    found = [each for path in drawn for each in library.detect(str(path)) if each["class"] in nudity.EXPOSED]
    counted = nudity.counted({"erased": drawn, "kept": drawn[3:]}, {"erased": drawn[3:], "kept": drawn[3:]})
    for label, title in nudity.EXPOSED.items():
        theirs = [sum(e["class"] == label and e["score"] > least for e in found) for least in nudity.THRESHOLDS]
        assert list(counted.groups["erased"].before[title]) == theirs
    assert counted.groups["erased"].total_before[0] > counted.groups["erased"].total_before[-1]
    at_the_papers = dict(counted.above(nudity.PAPER))
    assert at_the_papers["female breast"][0][1] >= 2
    assert at_the_papers["all"] == [("erased", sum(e["score"] > 0.6 for e in found), 0), ("kept", 0, 0)]
    report = RunReport.parse(values(nudity=counted.model_dump(mode="json")))
    assert report.nudity == counted
    assert len(nudity.curves(counted)) == 2


def test_without_the_extra_it_is_said_what_to_install(drawn: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudity, "installed", lambda: False)
    with pytest.raises(Refusal, match=r"`pip install 'balign\[nudity\]'` installs it"):
        nudity.detect(drawn)
