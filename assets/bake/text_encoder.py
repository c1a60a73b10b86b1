"""The text encoder of the diffusion model: its own small BPE, trained contrastively against pictures, then frozen."""

import argparse
import json

import torch
from captions import captions, every_name, lexicon, told_apart
from common import MODULES, WORK, Pictures, train
from drawings import BACKGROUNDS, CATEGORIES, OBJECTS, STYLES
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH, LENGTH, VOCABULARY, BATCH = 128, 32, 2048, 96


def tokenizer() -> CLIPTokenizer:
    """A byte-level BPE over every caption's words and the keywords of all emoji, so that any typed word tokenises."""
    folder = WORK / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

        words = lexicon()
        known = [*OBJECTS, *STYLES, *BACKGROUNDS, *CATEGORIES, "background", "style", "picture", "something", "drawing"]
        known += [s for entry in (*words["objects"].values(), *words["styles"].values()) for s in entry["synonyms"]]
        known += " ".join(words["templates"]["train"] + words["templates"]["test"]).replace(",", " ").split()
        keywords = json.loads((MODULES / "emojibase-data" / "en" / "data.json").read_text())
        other = [word for entry in keywords for word in (entry["label"], *entry.get("tags", []))]
        trainee = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
        trainee.normalizer = normalizers.Lowercase()
        trainee.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.WhitespaceSplit(),
                pre_tokenizers.Punctuation(),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY - 2,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            end_of_word_suffix="</w>",
            show_progress=False,
        )
        trainee.train_from_iterator(known * 50 + other, trainer)
        state = json.loads(trainee.to_str())["model"]
        vocabulary = state["vocab"]
        for character in pre_tokenizers.ByteLevel.alphabet():  # every byte must also be able to end a word
            vocabulary.setdefault(character + "</w>", len(vocabulary))
        for special in ("<|startoftext|>", "<|endoftext|>"):  # the end has the highest id: CLIP pools at the argmax
            vocabulary[special] = len(vocabulary)
        merges = [tuple(merge) for merge in state["merges"]]
        CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def tokens(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    return tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt").input_ids


def built(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    torch.manual_seed(2)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


class Tower(nn.Sequential):
    """The pictures' side, used only here and thrown away: a small strided network."""

    def __init__(self, width: int = WIDTH) -> None:
        def block(before: int, after: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(8, after), nn.SiLU()]

        super().__init__(
            nn.Conv2d(3, 32, 4, 4), nn.SiLU(), *block(32, 64, 1), *block(64, 96, 2), *block(96, 160, 2),
            nn.Conv2d(160, 192, 4), nn.Flatten(), nn.SiLU(), nn.Linear(192, width),
        )  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=1500)
    options.add_argument("--rate", type=float, default=1e-3)
    options.add_argument("--warm", action="store_true", help="start from the work folder's text_encoder")
    options = options.parse_args()
    torch.set_num_threads(2)
    pictures, words = Pictures(), tokenizer()
    text = CLIPTextModel.from_pretrained(WORK / "text_encoder").train() if options.warm else built(words)
    modules = nn.ModuleDict({"text": text, "head": nn.Linear(WIDTH, WIDTH, bias=False), "tower": Tower()})

    def loss_of(step: int, generator: torch.Generator):
        _, index = pictures.random(BATCH, generator)
        # Two rows of objects alike in all else: only the object's word, whatever the wording, tells those apart.
        index[: BATCH // 2, [1, 3]] = index[:2, [1, 3]].repeat_interleave(BATCH // 4, dim=0)
        real = pictures(*index.T)
        texts, mentions = captions(index, generator, partial=0.3)
        image = nn.functional.normalize(modules["tower"](real), dim=-1)
        names = every_name(generator)
        said = tokens(words, [*texts, *(name for kind in names for name in kind)])
        pooled = modules["head"](text(said).pooler_output)
        logits = 20 * image @ nn.functional.normalize(pooled, dim=-1).T
        return told_apart(logits, index, mentions, names)

    train("text_encoder", modules, loss_of, options.steps, rate=options.rate, every=50)
    text.eval().save_pretrained(WORK / "text_encoder")


if __name__ == "__main__":
    main()
