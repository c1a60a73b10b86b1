"""Put the trained transformer together with an autoencoder as a plain DiTPipeline folder, in half precision, sharded.

The transformer draws pixels, and the stock pipeline decodes whatever it drew. So the autoencoder is written down
instead of trained: the average of three colours on the way in, three times the same grey on the way out.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from common import MODELS, WORK, scheduler
from diffusers import AutoencoderKL, DiTPipeline, DiTTransformer2DModel
from fashion_data import CLASSES, SIZE
from fashion_dit import built

ID2LABEL = {str(k): name for k, name in enumerate(CLASSES)}
STOCK_CLASSES = 1000  # its number for no class, whatever the model
STEADY = 512.0  # far above any pixel, so that the norm divides all pictures by nearly the same


def autoencoder() -> AutoencoderKL:
    """Pixels in, pixels out, to within a thousandth of one of 255 steps in fp32.

    Four channels hold x, -x and two constants that make the mean 0 and the deviation STEADY / sqrt(2); the norm's
    weight undoes the division, and swish(x) - swish(-x) is x. All blocks between add zero.
    """
    model = AutoencoderKL(
        block_out_channels=(4,),
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        latent_channels=1,
        norm_num_groups=1,
        sample_size=SIZE,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        for half in (model.encoder, model.decoder):
            enter, leave = half.conv_in, half.conv_out
            enter.weight[0, :, 1, 1] = 1 / enter.in_channels
            enter.weight[1, :, 1, 1] = -1 / enter.in_channels
            enter.bias[2:] = torch.tensor([STEADY, -STEADY])
            half.conv_norm_out.weight.fill_(STEADY / 2**0.5)
            leave.weight[:, 0, 1, 1], leave.weight[:, 1, 1, 1] = 1, -1
        model.encoder.conv_out.weight[1:] = 0  # log variance
        model.encoder.conv_out.bias[1] = -30
        model.quant_conv.weight.copy_(torch.eye(2)[:, :, None, None])
        model.post_quant_conv.weight.fill_(1)
    return model.eval()


def widened(weights: dict[str, torch.Tensor]) -> DiTTransformer2DModel:
    """The transformer with these weights and the stock pipeline's number of classes; those too many are no class."""
    model = built(STOCK_CLASSES)
    for name, table in weights.items():
        if name.endswith("embedding_table.weight"):
            weights[name] = torch.cat([table[:-1], table[-1:].expand(STOCK_CLASSES + 1 - len(CLASSES), -1)])
    model.load_state_dict(weights)
    return model


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--name", default="dit", help="of the files in the work folder")
    options.add_argument("--checkpoint", action="store_true", help="of a training that has not ended")
    options.add_argument("--out", type=Path, default=MODELS / "fashion")
    options = options.parse_args()
    file = WORK / (f"{options.name}.pt" if options.checkpoint else f"{options.name}-average.pt")
    weights = torch.load(file, weights_only=True)
    pipeline = DiTPipeline(
        widened(weights["average"] if options.checkpoint else weights).half(), autoencoder(), scheduler()
    )
    pipeline.register_to_config(id2label=ID2LABEL)
    card = options.out / "README.md"
    kept = card.read_text() if card.exists() else None
    shutil.rmtree(options.out, ignore_errors=True)
    pipeline.save_pretrained(options.out, safe_serialization=True, max_shard_size="9MB")
    if kept:
        card.write_text(kept)
    sizes = {str(f.relative_to(options.out)): f.stat().st_size for f in options.out.rglob("*") if f.is_file()}
    print(json.dumps({"MB": round(sum(sizes.values()) / 1e6, 1), "largest": round(max(sizes.values()) / 1e6, 1)}))


if __name__ == "__main__":
    main()
