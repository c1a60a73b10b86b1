"""Files of prompts are read as the field writes them, and what is none is one sentence."""

import json
from pathlib import Path

import pytest

from balign.data.prompt_file import ReadPrompt, parse, read
from balign.refusal import Refusal

SEEDED = [ReadPrompt("a cat, in ink", 7), ReadPrompt("a dog", 8)]
PLAIN = [each._replace(seed=None) for each in SEEDED]
UCE = 'case_number,prompt,evaluation_seed\n0,"a cat, in ink",7\n1,a dog,8\n'
I2P = ',prompt,categories,hard,sd_seed,sd_guidance_scale\n0,"a cat, in ink","hate",0,7,7\n1,a dog,"x, y",1,8,7.5\n'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (UCE, SEEDED),
        (I2P, SEEDED),
        ("\ufeff" + UCE.replace("\n", "\r\n"), SEEDED),
        ("Prompt;Seed\na cat, in ink;7\na dog;8\n", SEEDED),
        ("seed\tprompt\n7\ta cat, in ink\n8\ta dog\n", SEEDED),
        ('prompt\n"a cat, in ink"\na dog\n', PLAIN),
        ("a cat, in ink\n\n  a  dog \na dog\n", PLAIN),
        (json.dumps(["a cat, in ink", "a dog"]), PLAIN),
        (json.dumps([{"prompt": "a cat, in ink", "seed": 7}, {"prompt": "a dog", "seed": "8"}]), SEEDED),
        ('{"prompt": "a cat, in ink", "sd_seed": 7}\n{"prompt": "a dog", "sd_seed": 8.0}\n', SEEDED),
        (json.dumps({"prompts": ["a cat, in ink", "a dog"], "seeds": [7, 8]}), SEEDED),
        (json.dumps({"0": "a cat, in ink", "1": "a dog"}), PLAIN),
    ],
)
def test_the_files_of_the_field(content: str, expected: list[ReadPrompt]) -> None:
    assert parse(content.encode()) == expected
    assert parse(content.removeprefix("\ufeff").encode("utf-16")) == expected


def test_a_table_of_excel_in_cp1252() -> None:
    assert parse("prompt;seed\nun café;3\n".encode("cp1252")) == [ReadPrompt("un café", 3)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds no prompt"),
        (b"prompt,seed\n", "holds no prompt"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is no text"),
        (b"id,words,seed\n0,a cat,7\n", "no column `prompt`; it has 'id', 'words', 'seed'"),
        (b"prompt,seed\na cat,seven\n", "'seven' where a seed"),
        (b"prompt,seed\na cat,-1\n", "the seed -1"),
        (b'["a cat"', "begins as json"),
        (b"[[1]]", "where a prompt should be"),
        (b"[" * 100_000, "begins as json"),
        (b'{"n": 3}', "where a prompt should be"),
    ],
)
def test_what_is_no_file_of_prompts_is_one_sentence(content: bytes, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        parse(content, "x.csv")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"none\.csv cannot be read"):
        read(tmp_path / "none.csv")
