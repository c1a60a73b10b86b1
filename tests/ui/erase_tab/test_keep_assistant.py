"""The keep assistant: chips that know what is listed, remarks while typing, prompts to look at, a list from a file."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from balign.data import targets
from balign.data.prompts import build
from balign.data.targets import resolve
from balign.host.limits import LIMITS
from balign.host.visitors import Visitor
from balign.machine import Free
from balign.models import catalogue
from balign.runs import prompt_lists
from balign.runs.estimate import forecast
from balign.ui import form
from balign.ui.erase_tab import keep_assistant
from balign.ui.page import Caller, answering

EVIL = "<img src=x onerror=alert(1)>"
ANYBODY = Caller(Visitor(), None)
Values = dict[str, Any]


def assist(values: Values) -> str:
    return keep_assistant.assist(keep_assistant.read(values))


def prompts(values: Values) -> str:
    return keep_assistant.prompts(keep_assistant.read(values))


def estimate(values: Values) -> str:
    return keep_assistant.estimate(keep_assistant.read(values))


def hurdle(values: Values) -> str:
    """What stands in the way of the run, and at which field."""
    found = re.search(r'id="hurdle" data-field="(\w*)" [^>]*>\s*<span>(.*?)</span>', unescape(estimate(values)))
    return f"{found[1]}: {found[2]}" if found else ""


def command(values: Values) -> str:
    text: str = keep_assistant.follow(ANYBODY, values)["command"]
    return text


def from_file(file: object, keep: object, **more: object) -> dict[str, Any]:
    values = {"file": file, "keep": keep, "erase": "cat", **more}
    return answering(keep_assistant.from_file, "The file could not be read", "added")(ANYBODY, values)


def test_chips_are_close_words_and_down_when_listed() -> None:
    text = assist({"erase": "cat", "keep": "Dog, a big owl"})
    assert 'data-word="dog" aria-pressed="true"' in text
    assert 'data-word="rabbit" aria-pressed="false"' in text
    assert 'data-word="cat"' not in text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"erase": "cat", "keep": "a dog\na  dog"}, "1 of the 2 texts to keep is a duplicate"),
        ({"erase": "kitten"}, "'kitten' is another word for 'cat'"),
    ],
)
def test_what_is_odd_is_said_as_it_is_typed(values: dict[str, Any], said: str) -> None:
    assert said in unescape(assist(values))


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"erase": ""}, "erase", "Nothing to erase was given"),
        ({"erase": "catt"}, "erase", "did you mean cat"),
        ({"erase": "cat", "kind": "cat=style"}, "erase", "of the kind thing, not style"),
        ({"erase": "cat", "replace": "zebra"}, "replace", "another thing is accepted"),
        ({"erase": "cat, dog", "replace": "pig, cat"}, "replace", "itself to be erased"),
        ({"erase": "cat", "replace": "dog, pig"}, "replace", "2 replacements were given for 1 concepts"),
        ({"erase": "cat", "keep": "a golden cat"}, "keep", "'a golden cat' names 'cat', which is to be erased"),
        ({"erase": "cat", "keep": "dog\x07"}, "keep", "control characters"),
        ({"erase": "cat", "model": "foo"}, "model", "There is no model 'foo'"),
        ({"erase": "cat", "steps": "many"}, "steps", "Steps: 'many'; a whole number is accepted."),
        ({"erase": "cat", "steps": "9000"}, "steps", "Steps: '9000'; at most 5,000 is accepted."),
        ({"erase": "cat", "size": "63"}, "size", "Size: '63'; a multiple of 8 is accepted."),
        ({"erase": "cat", "learning_rate": "nan"}, "learning_rate", "Step size: 'nan'; a number is accepted."),
        ({"erase": "cat", "seed": "x"}, "seed", "'x' is no seed; a whole number such as 1, or a range such as 0-2, is"),
        ({"erase": "cat", "method": "magic"}, "method", "magic"),
        ({"erase": "cat", "forget": "magic"}, "", "magic"),
    ],
)
def test_what_stands_in_the_way_is_said_at_its_field(values: Values, field: str, said: str) -> None:
    text = hurdle(values)
    assert text.startswith(f"{field}: ")
    assert said in text
    assert command(values) == ""
    assert hurdle({"erase": "cat"}) == ""


def test_a_leak_does_not_take_the_chips_away() -> None:
    assert 'data-word="dog"' in assist({"erase": "cat", "keep": "a cat"})


@pytest.mark.parametrize(("erase", "kinds"), [("cat", ("thing",)), ("animals", ("category",))])
def test_a_chip_offers_only_kinds_that_the_model_has_the_word_as(erase: str, kinds: tuple[str, ...]) -> None:
    (chip,) = keep_assistant.read({"erase": erase}).chips
    assert chip.kinds == kinds
    refused = keep_assistant.read({"erase": "cat", "kind": "cat=style"}).refusal
    assert refused == "To the model 'cat' is of the kind thing, not style."


def test_how_wide_the_keep_side_is() -> None:
    wide = prompts({"erase": "cat"})
    assert "102 of 105 other things from 10 of 10 categories, in 128 different prompts; the others are left" in wide
    narrow = prompts({"erase": "cat", "method": "rg"})
    assert "Guarded: 1 of 105 other things from 1 of 10 categories, in 1 different prompt." in narrow


def test_the_preview_shows_what_a_run_would_use() -> None:
    text = unescape(prompts({"erase": "cat", "keep": "dog", "n_forget": "20", "n_retain": "30", "seed": "3"}))
    sets = build(resolve(["cat"], ["dog"]), n_forget=20, n_retain=30, seed=3)
    assert "20 to forget and 30 to keep" in text
    for prompt in (
        *sets.forget[: keep_assistant.EXAMPLES],
        *(t.prompt for t in sets.tests["neighbours"][: keep_assistant.EXAMPLES]),
    ):
        assert f">{prompt}<" in text
    assert sum(f">{prompt}<" in text for prompt in set(sets.retain)) == keep_assistant.EXAMPLES


@pytest.mark.parametrize("show", [assist, prompts, estimate])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"erase": EVIL},
        {"erase": "cat", "keep": EVIL},
        {"erase": "cat", "model": EVIL},
        {"erase": "cat", "model": EVIL + "x" * 400},
        {"erase": "cat", "model": "x" * 9000},
        {"erase": EVIL, "model": "owner/name"},
        {"erase": ["cat"], "keep": 7, "seed": {}},
    ],
)
def test_whatever_is_typed_is_text(show: Any, values: dict[str, Any]) -> None:
    assert "<img" not in show(values)


def test_what_a_file_gives_is_the_prompts_that_may_stay(tmp_path: Path) -> None:
    table = 'case_number,prompt,evaluation_seed\n0,"a dog, on grass, oil",7\n1,a cat on a mat,8\n2,a cat burglar,9\n'
    answer = from_file(str(upload(tmp_path, table.encode("utf-16"))), "")
    assert form.lines(answer["keep"], "Keep") == ["a dog, on grass, oil", "a cat burglar"]
    assert "2 prompts were added. Left out: 1 prompt with the name of what is erased." in answer["added"]
    many = "\n".join(f"a photo of dog number {i} on a hill" for i in range(10_000)).encode()
    answer = from_file(str(upload(tmp_path, many)), "")
    assert "2,000 of the file&#39;s 10,000 prompts were taken" in answer["added"]
    assert form.config({"erase": "cat", "keep": answer["keep"]}).keep


def test_an_unknown_name_asks_and_a_press_answers() -> None:
    typed = {"erase": "Taylor Swift, cat", "model": "owner/name"}
    draft = keep_assistant.read(typed)
    assert [(chip.name, chip.kind, chip.asked) for chip in draft.chips] == [
        ("Taylor Swift", "", True),
        ("cat", "thing", False),
    ]
    assert draft.chips[0].kinds[0] == "person"
    assert draft.sets is None
    assert "say with the buttons under Erase what it is" in draft.refusal
    assert 'data-name="Taylor Swift" data-kind="person"' in keep_assistant.understood(draft)
    answered = keep_assistant.read(typed | {"kind": "Taylor Swift=person; somebody else=style"})
    assert [(chip.name, chip.kind) for chip in answered.chips] == [("Taylor Swift", "person"), ("cat", "thing")]
    assert answered.sets is not None
    assert "a person" in answered.sets.anchor[0]
    assert "--kind" in command(typed | {"kind": "Taylor Swift=person"})


def test_an_open_list_takes_what_is_typed_as_text() -> None:
    text = prompts({"erase": EVIL, "model": "owner/name", "kind": "thing"})
    assert "&lt;img" in text


def upload(folder: Path, content: bytes) -> Path:
    file = folder / "list.txt"
    file.write_bytes(content)
    return file


def test_a_file_is_added_below_and_not_kept(tmp_path: Path) -> None:
    file = upload(tmp_path, "\ufeffdog\r\n\r\n  a blue écru owl \nhorse".encode())
    answer = from_file(str(file), "rabbit\n")
    assert answer["keep"] == "rabbit\ndog\na blue écru owl\nhorse"
    assert "3 prompts were added" in answer["added"]
    assert not file.exists()
    answer = from_file(str(upload(tmp_path, b"dog")), None)
    assert answer["keep"] == "dog"
    assert "1 prompt was added" in answer["added"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * (LIMITS.prompt_file_bytes + 1), "The file has 5,000,001 bytes"),
        (b"dog\n\xff\xfe\x01", "The file is not text"),
        (b'{"a": ', "The file is not readable json"),
        (b"case_number,class,seed\n1,2,3\n4,5,6\n", "no column named prompt; its columns are case_number, class, seed"),
        (b" \n\n", "The file has no prompts in it"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = upload(tmp_path, content)
    (message,) = from_file(str(file), "dog").values()
    assert said in message
    assert 'class="notice refused"' in message
    assert not file.exists()


@pytest.mark.parametrize("file", [None, 7, [], "/no/such/file"])
def test_no_file_is_a_sentence(file: object) -> None:
    (message,) = from_file(file, "").values()
    assert 'class="notice refused"' in message


def test_the_line_above_the_button(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "free", lambda *_: Free(0.1, 100.0, False))
    small = estimate({"erase": "cat"})
    assert "About " in small
    assert "The memory is too small: about " in small
    assert " GB are needed and 0.1 GB are free." in small
    assert "hurdle" not in small
    monkeypatch.setattr(forecast, "free", lambda *_: Free(0.1, 100.0, False, 0.2))
    assert "The memory is too small: about " in hurdle({"erase": "cat"})


def test_a_long_run_is_warned_of_and_refused_where_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "free", lambda *_: Free(64.0, 100.0, False))
    long = {"erase": "cat", "model": "CompVis/stable-diffusion-v1-4"}
    assert "warned" in estimate(long)
    assert hurdle(long) == ""
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    assert "This shared instance ends a run after 60 min" in hurdle(long)
    assert hurdle({"erase": "cat"}) == ""


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("show", [assist, prompts, estimate])
def test_in_public_no_folder_and_no_other_model_is_looked_for(
    show: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked(name: str) -> None:
        pytest.fail(f"{name} was looked for")

    monkeypatch.setattr(catalogue, "meaning", looked)
    for name in (str(tmp_path), ".", "assets/models/emoji", "~", "/etc", "owner/name"):
        assert "is not offered here" in unescape(show({"erase": "cat", "model": name})) or show is assist


@pytest.mark.usefixtures("public")
def test_in_public_no_prompts_are_made_for_a_run_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_lists, "build", lambda *given, **named: pytest.fail("prompts were made"))
    values = {"erase": "cat", "n_forget": "1200"}
    for show in (estimate, prompts):
        assert "this shared instance does at most 1,000" in show(values)
    assert command(values).endswith("--n-forget 1200")


def test_a_keystroke_reads_and_resolves_the_form_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"understand": 0, "build": 0, "config": 0}

    def count(module: object, name: str) -> None:
        work = getattr(module, name)

        def counted(*given: object, **named: object) -> object:
            counts[name] += 1
            return work(*given, **named)

        monkeypatch.setattr(module, name, counted)

    count(targets, "understand")
    count(prompt_lists, "build")
    count(form, "config")
    answer = keep_assistant.follow(ANYBODY, {"erase": "cat, pizza", "keep": "dog"})
    assert all(answer.values())
    assert counts == {"understand": 2, "build": 1, "config": 1}


def test_the_command_follows_the_form_or_says_why_not() -> None:
    assert command({"erase": "cat", "steps": 9}) == "python -m balign erase cat --steps 9"


def test_what_is_drawn_instead_is_said_where_nothing_is_typed() -> None:
    def instead(**values: Any) -> str:
        return keep_assistant.instead(keep_assistant.read({"erase": "cat", **values}))

    assert instead() == "left empty: dog"
    assert instead(erase="cat, pizza").startswith("left empty: dog, ")
    assert instead(method="remove") == "not used by this method"
    assert instead(erase="zzz") == "optional"


@pytest.mark.parametrize(
    ("model", "count", "words"),
    [("emoji", "All 122 words this model knows", "penguin"), ("owner/name", "any other may be typed", "Van Gogh")],
)
def test_the_words_to_choose_from(model: str, count: str, words: str) -> None:
    text = unescape(keep_assistant.words(model))
    assert count in text
    assert f">{words}</button>" in text
    assert keep_assistant.words("no model") == ""
