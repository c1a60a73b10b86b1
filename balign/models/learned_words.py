"""Words of a prompt that stand for vectors which no word of the vocabulary has, for text encoders of CLIP's kind."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def encode(tokenizer: Any, encoder: Any, prompts: Sequence[str], vectors: Mapping[str, Tensor]) -> Tensor:
    """The encoder's last hidden states (N, L, D), each word of ``vectors`` read as its vectors (K, E).

    Gradients reach the vectors. What is longer than the encoder reads is cut, as it is without learned words.
    """
    device = encoder.device
    ids, places = (torch.tensor(rows, device=device) for rows in _tokens(tokenizer, prompts, vectors))  # (N, L)
    table = torch.cat([part.to(device) for part in vectors.values()])  # (K of all, E)

    def put(module: Any, given: Any, embedded: Tensor) -> Tensor:
        return torch.where((places >= 0)[..., None], table[places.clamp(min=0)].to(embedded), embedded)

    handle = encoder.get_input_embeddings().register_forward_hook(put)
    try:
        return encoder(ids)[0]
    finally:
        handle.remove()


def _tokens(
    tokenizer: Any, prompts: Sequence[str], vectors: Mapping[str, Tensor]
) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids, and for each token the row of its learned vector among all of them, -1 where it has none."""
    first, rows = 0, dict[str, range]()
    for word, each in vectors.items():
        rows[word], first = range(first, first + len(each)), first + len(each)
    start, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    split = re.compile(f"({'|'.join(re.escape(word) for word in sorted(vectors, key=len, reverse=True))})")
    ids, places = [], []
    for prompt in prompts:
        read = [(start, -1)]
        for part in split.split(prompt):
            if part in rows:
                read += [(end, row) for row in rows[part]]  # the id is of no account
            elif part.strip():
                read += [(token, -1) for token in tokenizer(part, add_special_tokens=False).input_ids]
        length = tokenizer.model_max_length
        read = [*read[: length - 1], (end, -1)]
        read += [(pad, -1)] * (length - len(read))
        ids.append([token for token, _ in read])
        places.append([row for _, row in read])
    return ids, places
