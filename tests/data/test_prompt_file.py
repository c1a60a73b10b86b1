"""Prompt files as people have them give their prompts with their seeds, whatever their form and encoding."""

import json

import pytest

from balign.data.prompt_columns import FilePrompt
from balign.data.prompt_file import parse
from balign.refusal import Refusal

TABLE = 'case_number,prompt,class,evaluation_seed\n0,"a dog, on grass",x,123\n1,un café,y,7.0\n'
WANTED = (FilePrompt("a dog, on grass", 123), FilePrompt("un café", 7))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_a_table_in_any_encoding(encoding: str) -> None:
    assert parse(TABLE.encode(encoding), 100).prompts == WANTED


@pytest.mark.parametrize(
    "text",
    [
        TABLE.replace("\n", "\r\n"),
        'Prompt;sd_seed\n"a dog, on grass";123\nun café;7\n',
        "prompt\tseed\na dog, on grass\t123\nun café\t7\n",
        json.dumps([{"prompt": "a dog, on grass", "seed": 123}, {"prompt": "un café", "seed": "7"}]),
        json.dumps({"data": [{"PROMPT": "a dog, on grass", "evaluation_seed": 123}, {"PROMPT": "un café", "seed": 7}]}),
        '{"prompt": "a dog, on grass", "seed": 123}\n\n{"prompt": "un café", "seed": 7}\n',
        'evaluation_seed,prompt\n123,"a dog,\n on grass"\n7,un café\n',
        TABLE.replace("\n", "\r"),
        'sep=;\nprompt;seed\n"a dog, on grass";123\nun café;7\n',
        "# exported by hand\n\nprompt\tseed\na dog, on grass\t123\nun café\t7\n",
        "| prompt | seed |\n|---|---|\n| a dog, on grass | 123 |\n| un café | 7 |\n",
        'case, prompt, evaluation_seed\n0, "a dog, on grass", 123\n1, un café, 7\n',
        'id,negative_prompt,Prompt (EN),Seed\n0,ugly,"a dog, on grass",123\n1,,un café,7\n',
        json.dumps({"prompt": ["a dog, on grass", "un café"], "seed": [123, 7]}),
        json.dumps({"prompt": {"0": "a dog, on grass", "1": "un café"}, "seed": {"0": 123, "1": 7}}),
        json.dumps({"columns": ["prompt", "seed"], "data": [["a dog, on grass", 123], ["un café", 7]]}),
    ],
)
def test_other_forms_of_the_same(text: str) -> None:
    assert parse(text.encode(), 100).prompts == WANTED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('["a dog", "an owl"]', ["a dog", "an owl"]),
        ('{"van gogh": ["a dog", "an owl"]}', ["a dog", "an owl"]),
        ('{"prompts": ["a dog"], "note": ["no prompt"]}', ["a dog"]),
        ('"a dog"\n"an owl"', ["a dog", "an owl"]),
        (
            "dog, owl\na dog in a wide green field\n\na dog in a wide green field",
            ["dog", "owl", "a dog in a wide green field"],
        ),
        ("prompt\na dog, on grass, at night\n", ["a dog, on grass, at night"]),
        ("a photo of a dog, on grass, in the morning\nan owl, at night, in a big forest", None),
        (
            "[masterpiece] a dog in the forest at night\nan owl",
            ["[masterpiece] a dog in the forest at night", "an owl"],
        ),
    ],
)
def test_lists_of_texts(text: str, found: list[str] | None) -> None:
    assert parse(text.encode(), 100).texts == (text.splitlines() if found is None else found)


def test_every_seed_of_a_prompt_counts_and_keeps_its_digits() -> None:
    found = parse(b'[{"prompt": "a dog", "seeds": [1, 2]}, {"prompt": "an owl", "seed": 18014398509481985}]', 9).prompts
    assert found == (FilePrompt("a dog", 1), FilePrompt("a dog", 2), FilePrompt("an owl", 1))


def test_too_many_are_sampled_down_the_same_way_and_said() -> None:
    many = "\n".join(f"a photo of dog number {i} on a hill" for i in range(5_000)).encode()
    one, two = parse(many, 100), parse(many, 100)
    assert one == two
    assert len(one.prompts) == 100
    assert one.remarks == ("100 of the file's 5,000 prompts were taken, spread over all of it.",)
    numbers = [int(each.split()[5]) for each in one.texts]
    assert numbers == sorted(numbers)
    assert numbers[-1] > 4_000


def test_what_cannot_be_drawn_is_left_out_and_said() -> None:
    found = parse(f"a dog\n{'x' * 2_001}\nan \x07owl\n".encode(), 100)
    assert found.texts == ["a dog"]
    assert len(found.remarks) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file has no prompts in it"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "The file is not text"),
        (b"[1, 2", "not readable json"),
        (b'{"a": 1}\n{"b": ', "Line 2 of the file is not readable json"),
        (b"[" * 50_000, "nested too deep"),
        (b"id,class,seed\n1,2,3\n2,3,4\n", "The table has no column named prompt; its columns are id, class, seed."),
        (b"a dog,5\nan owl,6\n", "no column named prompt; its columns are a dog, 5. Name that of the prompts so in"),
        (b"<!DOCTYPE html><html></html>", "The file is a document of another kind"),
        (rb"{\rtf1\ansi a dog}", "The file is a document of another kind"),
        (b"prompts:\n  - a dog\n", "The file is a document of another kind"),
        (b'["a dog",]', "The file is not readable json .*; one word or prompt a line, a table or json is accepted."),
        (b"an \x07owl", "None of the file's prompts can be used: 1 prompts with control characters were left out."),
        (b"\xff\xfea\xd8", "begins like UTF-16 or UTF-32 and is not"),
        (b"[]", "no prompts in it"),
    ],
)
def test_what_is_no_list_is_one_sentence(content: bytes, said: str) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        parse(content, 100)
    assert "\n" not in str(caught.value)
