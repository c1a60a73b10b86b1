"""Open what balign wrote with nothing but the stock libraries, old or new, and keep what they draw.

`python read_exports.py WORK` reads WORK/jobs.json and writes WORK/images/NAME.safetensors, and the text encoder's
tensors. It imports nothing of balign, so that it runs under any release of the libraries.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file


def pipeline(job: dict[str, Any]) -> Any:
    from diffusers import DiTPipeline, DPMSolverMultistepScheduler, StableDiffusionPipeline

    if job["family"] == "dit":
        return DiTPipeline.from_pretrained(job["folder"], local_files_only=True)
    if "file" in job:
        opened = StableDiffusionPipeline.from_single_file(
            job["file"], config=job["folder"], local_files_only=True, safety_checker=None
        )
    else:
        opened = StableDiffusionPipeline.from_pretrained(job["folder"], local_files_only=True, safety_checker=None)
    opened.scheduler = DPMSolverMultistepScheduler.from_config(opened.scheduler.config)
    return opened


def draw(opened: Any, job: dict[str, Any], latents: torch.Tensor) -> torch.Tensor:
    """uint8 images (N, H, W, 3)."""
    opened.set_progress_bar_config(disable=True)
    common = {"num_inference_steps": job["steps"], "guidance_scale": job["guidance"], "output_type": "np"}
    if job["family"] == "dit":
        seeded = [torch.Generator().manual_seed(seed) for seed in job["seeds"]]
        images = opened(opened.get_label_ids(job["prompts"]), generator=seeded, **common).images
    else:
        images = opened(prompt=job["prompts"], latents=latents, **common).images
    return (torch.from_numpy(images) * 255).round().to(torch.uint8).contiguous()


def read(job: dict[str, Any], work: Path, out: Path) -> None:
    opened = pipeline(job)
    latents = load_file(work / f"{job['name']}-latents.safetensors")["latents"]
    results = {}
    if job["family"] == "sd":
        prefix = "text_model."
        text = {f"text/{name.removeprefix(prefix)}": each for name, each in opened.text_encoder.state_dict().items()}
        results |= {name: tensor.contiguous() for name, tensor in text.items()}
    if not job.get("loras"):
        results["images"] = draw(opened, job, latents)
    for name in job.get("loras", ()):
        opened.load_lora_weights(work, weight_name=f"{name}.safetensors")
        results[name] = draw(opened, job, latents)
        opened.unload_lora_weights()
    save_file(results, out / f"{job['name']}.safetensors")


def main(work: Path, out: Path) -> None:
    out.mkdir()
    for job in json.loads((work / "jobs.json").read_text()):
        read(job, work, out)
    import diffusers
    import peft
    import transformers

    print(transformers.__version__, diffusers.__version__, peft.__version__)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
