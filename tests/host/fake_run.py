"""A run without a model: `python fake_run.py run FOLDER...` writes what a real one would write, in seconds.

FAKE_PAUSE is how long it rests after each record, FAKE_FAIL the phase in which it fails, FAKE_STEPS how long it is.
"""

import hashlib
import json
import math
import os
import random
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

from balign import telemetry
from balign.atomic import write
from balign.method.objectives import DEFAULT_METHOD
from balign.runs.engine.recorder import Recorder, Stopped
from balign.runs.folder import Run
from balign.runs.outcome import reproduce, zip_check
from balign.runs.weights import CHECKPOINT, ERASED, saved_step

sys.path.insert(0, str(Path(__file__).parents[2]))  # started as a script, it is in no package
from tests.host import fake_tryout, journal

SIDE = 64
GROUPS = [(place, part) for place in ("down_blocks.0", "mid_block", "up_blocks.1") for part in ("to_k", "to_v")]
KINDS = {"erased": "cat", "kept": "guitar", "neighbours": "tiger"}
COLOURS = ("#f6d186", "#bfe3c0", "#c7d8f5", "#f3c3d0", "#e2d4f0", "#d9d4cc")


def picture(kind: str, number: int, forgotten: float = 0.0) -> Image.Image:
    """A face for what is erased, fading into a blob; a steady shape for the rest."""
    image = Image.new("RGB", (SIDE, SIDE), COLOURS[number % len(COLOURS)])
    pen = ImageDraw.Draw(image)
    if kind == "erased":
        grow = int(10 * forgotten)
        if forgotten < 0.6:
            pen.polygon([(16, 26), (18, 8), (30, 20)], fill="#8a5a33")
            pen.polygon([(48, 26), (46, 8), (34, 20)], fill="#8a5a33")
        pen.ellipse([14 - grow, 16, 50 + grow, 54], fill="#c98b4e")
        if forgotten < 0.8:
            pen.ellipse([23, 28, 29, 34], fill="#222")
            pen.ellipse([35, 28, 41, 34], fill="#222")
    elif kind == "kept":
        pen.rounded_rectangle([29, 6, 35, 40], 2, fill="#5b3a21")
        pen.ellipse([18, 30, 46, 58], fill="#b5651d")
        pen.ellipse([28, 40, 36, 48], fill="#2d1c10")
    else:
        pen.ellipse([14, 16, 50, 54], fill="#e8892b")
        for x in (20, 31, 42):
            pen.line([(x, 18), (x, 28)], fill="#222", width=3)
        pen.ellipse([23, 30, 29, 36], fill="#222")
        pen.ellipse([35, 30, 41, 36], fill="#222")
    return image


def main(folder: str) -> bool:
    """Pretend to run the folder; whether it went to its end."""
    run = Run.open(folder, Path(folder).parent)
    pause, steps = float(os.environ.get("FAKE_PAUSE", "0.05")), int(os.environ.get("FAKE_STEPS", "40"))
    fail = os.environ.get("FAKE_FAIL", "")
    recorder = Recorder(run)

    def say(record: telemetry.Record) -> None:
        recorder.record(record)
        time.sleep(pause)

    def phase(name: str, done: int, total: int, message: str = "") -> None:
        recorder.phase(name, done, total, message)
        time.sleep(pause)
        if name == fail:
            raise RuntimeError("The weights became non-finite at step 12; the last good ones were kept.")
        if name not in ("unlearn", "save", "done"):
            recorder.obey()

    with run.claim(), journal.noted(run, "run"):
        begun = saved_step(run.path / CHECKPOINT)
        recorder.rewind(begun or -1)
        if run.stop_requested() == "comparing":
            run.clear_stop()
        try:
            for name in ("load", "check"):
                phase(name, 0, 1)
                phase(name, 1, 1)
            for done in range(0, 97, 16):
                if done < 48:
                    for side, kind in (("forget", "erased"), ("keep", "kept")):
                        say(telemetry.Drawn(side, _strip(run, f"{side}-{done:02d}", kind, 0.0), 4))
                phase("data", done, 96)
            reached = begun
            for reached in _steps(run, begun, steps, phase, say):
                if run.stop_requested() and reached < steps:
                    break
            for file in (CHECKPOINT, ERASED):
                (run.path / file).write_bytes(weights(run, reached))
            where = f"Stopped after step {reached} of {steps}"
            if run.stop_requested() == "now":
                raise Stopped(f"{where}, without a comparison; the weights are kept, and resuming goes on from there.")
            if run.stop_requested() or reached < steps:
                run.begin_last_comparison()
            phase("evaluate", 0, 96)
            groups = _evaluate(run)
            for side, kind in (("forget", "erased"), ("keep", "kept")):
                strips = [
                    _strip(run, f"{side}-pairs-00{end}", kind, gone) for end, gone in (("", 0.0), ("-after", 1.0))
                ]
                say(telemetry.Drawn(side, strips[0], 4, strips[1]))
            phase("evaluate", 48, 96)
            phase("evaluate", 96, 96)
            phase("save", 1, 1)
            _report(run, groups, reached, steps)
            if reached < steps:
                raise Stopped(f"{where} and compared; resuming goes on from there.")
            phase("done", 1, 1)
            return True
        except Stopped as stopped:
            recorder.final("stopped", str(stopped))
            return False
        except RuntimeError as error:
            recorder.final("failed", str(error))
            raise
        finally:
            run.clear_stop()


def _steps(run, begun, steps, phase, say):  # type: ignore[no-untyped-def]
    """The training, as noise round two curves."""
    noise = random.Random(run.config.seed)
    (run.path / "previews").mkdir(exist_ok=True)
    phase("unlearn", begun, steps)
    for step in range(begun, steps + 1):
        gone = 1 - math.exp(-3 * step / steps)
        if step % max(steps // 8, 1) == 0 and not 0 < step == begun:
            strip = Image.new("RGB", (SIDE * 12, SIDE))
            for k in range(12):
                strip.paste(picture(list(KINDS)[k // 4], k, gone), (k * SIDE, 0))
            strip.save(run.path / "previews" / f"{step:05d}.png")
            alignment = {"erased": 0.31 - 0.2 * gone, "kept": 0.3 - 0.004 * gone + noise.gauss(0, 0.002)}
            alignment["neighbours"] = alignment["kept"] - 0.01
            margin = dict.fromkeys(alignment, 0.02)
            say(telemetry.Preview(step, f"previews/{step:05d}.png", alignment, margin))
        if step == begun:
            continue
        bad = noise.random() < 0.05
        measured = step % 5 == 0
        say(
            telemetry.Step(
                step=step,
                forget_loss=0.1 + 0.9 * (1 - gone) + noise.gauss(0, 0.05),
                retain_loss=0.16 + noise.gauss(0, 0.02),
                forget_norm=1.0,
                retain_norm=0.4,
                cosine=max(-1, min(1, -0.35 + 0.3 * gone + noise.gauss(0, 0.12))),
                projected=noise.random() < 0.4,
                kept_fraction=0.9,
                forget_change=-1e-4,
                retain_change=2e-5 if bad else -1e-5,
                measured_forget_change=-1e-4 if measured else None,
                measured_retain_change=(1e-5 if noise.random() < 0.2 else -1e-5) if measured else None,
                seconds=0.4,
            )
        )
        if measured:
            say(telemetry.Conflict(step, {f"{place} {part}": noise.uniform(-1, 0.5) for place, part in GROUPS}))
            for k in range(1, 5):
                places = dict.fromkeys(place for place, _ in GROUPS)
                say(telemetry.Conflict(step, {place: noise.uniform(-1, 0.5) for place in places}, k))
        phase("unlearn", step, steps)
        yield step


def _strip(run: Run, name: str, kind: str, gone: float) -> str:
    """A strip of four pictures; its path in the run's folder."""
    (run.path / "drawn").mkdir(exist_ok=True)
    strip = Image.new("RGB", (SIDE * 4, SIDE))
    for k in range(4):
        strip.paste(picture(kind, k, gone), (k * SIDE, 0))
    strip.save(run.path / "drawn" / f"{name}.png")
    return f"drawn/{name}.png"


def _evaluate(run: Run) -> dict[str, dict[str, object]]:
    """Pictures of three groups, before and after, with invented scores."""
    noise, other = random.Random(1), 0.0 if run.config.method in (None, DEFAULT_METHOD) else 0.02
    groups: dict[str, dict[str, object]] = {}
    number = 0
    for side in ("before", "after"):
        (run.path / "images" / side).mkdir(parents=True, exist_ok=True)
    for kind, word in KINDS.items():
        images = []
        for k in range(12):
            name = f"{number:04d}.png"
            picture(kind, k).save(run.path / "images" / "before" / name)
            picture(kind, k, 1.0).save(run.path / "images" / "after" / name)
            was = 0.3 + noise.gauss(0, 0.01)
            now = was - (0.19 if kind == "erased" else 0.002 + other + noise.gauss(0, 0.003))
            images.append(
                {
                    "prompt": f"a {word} on a plain background, drawing number {k}",
                    "seed": 1000 + k,
                    "before": f"images/before/{name}",
                    "after": f"images/after/{name}",
                    "labels": {"object": word},
                    "recognised_before": {"object": True},
                    "recognised_after": {"object": kind != "erased" and (kind, k) != ("kept", 7)},
                    "alignment_before": was,
                    "alignment_after": now,
                }
            )
            number += 1
        drop = 0.19 if kind == "erased" else 0.002 + other
        groups[kind] = {
            "n": 12,
            "prompts": 12,
            "accuracy_before": 0.97,
            "accuracy_after": 0.03 if kind == "erased" else 0.96,
            "alignment_before": 0.3,
            "alignment_after": 0.3 - drop,
            "alignment_change": {
                "mean": -drop,
                "low": -drop - 0.005,
                "high": -drop + 0.004,
                "p": 0.0002 if kind == "erased" else 0.41,
            },
            "images": images,
        }
    return groups


def weights(run: Run, step: int = 0) -> bytes:
    """A safetensors file of one tensor that follows from the config, and the step it is of."""
    tensor = {"dtype": "U8", "shape": [32], "data_offsets": [0, 32]}
    state = {"pairs": [["settings", {"pairs": [["steps", step]]}], ["outcome", None]]}  # as a training is saved
    about = {"step": str(step), "fingerprint": "f" * 64, "state": json.dumps(state)}
    header = json.dumps({"__metadata__": about, "w": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + hashlib.sha256(run.config.to_json().encode()).digest()


def _report(run: Run, groups: dict[str, dict[str, object]], reached: int, steps: int) -> None:
    made_with = zip_check.MadeWith(steps=reached, device="cpu", fingerprint="f" * 64)
    repeated = reproduce.outcome(run, made_with)
    report = {
        "model": run.config.model,
        "method": run.config.method or DEFAULT_METHOD,
        "seed": run.config.seed,
        "steps": reached,
        "seconds": 12.5,
        "scorer": "emoji-clip",
        "groups": groups,
        "ua": 0.97,
        "ira": 0.96,
        "cra": 0.98,
        "ledger": {"steps": reached, "forget_violations": 0, "retain_violations": 2},
        "warnings": [],
        "settings": {"device": "cpu", "fingerprint": "f" * 64, "steps": steps},
        "versions": {"python": "3.11.0"},
        **({"reproduces": repeated.model_dump()} if repeated else {}),
    }
    write(run.path / "report.json", json.dumps(report))
    write(run.path / "report.html", "<!doctype html><title>report</title><p>report")
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Report({"ua": 0.97}))


def judge(folder: str, *options: str) -> None:
    """Pretend to judge a finished run again: by the scorer of the options, on as many prompts as their file has."""
    run, told = Run.open(folder, Path(folder).parent), dict(text.split("=", 1) for text in options)
    with run.claim():
        time.sleep(20 * float(os.environ.get("FAKE_PAUSE", "0.05")))
        report = json.loads((run.path / "report.json").read_text())
        report["scorer"] = told.get("--scorer", report["scorer"])
        if "--tests" in told:
            images = report["groups"]["kept"]["images"]
            prompts = json.loads(Path(told["--tests"]).read_text())
            own = [image | prompt for image, prompt in zip(images, prompts, strict=False)]
            report["groups"]["own"] = report["groups"]["kept"] | {"n": len(own), "images": own}
        write(run.path / "report.json", json.dumps(report))


if __name__ == "__main__":
    if sys.argv[1] == "evaluate" and sys.argv[3:]:
        judge(*sys.argv[2:])
        sys.exit()
    if sys.argv[1] in fake_tryout.VERBS:
        fake_tryout.main(*sys.argv[1:])
        sys.exit()
    for given in sys.argv[2:]:
        if not main(given):
            break
