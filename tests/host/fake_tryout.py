"""Tries, strengths, probes and exports without a model: what `redraw` would write into a finished run's folder."""

import json
import os
import sys
import time
from pathlib import Path

from PIL import Image

from balign.atomic import atomic, write
from balign.data.probes import WAYS
from balign.measure.recovery import Share, verdict
from balign.runs.folder import Run
from balign.runs.outcome import report_page
from balign.runs.tryout import exports, store
from balign.runs.tryout.attack_store import DONE, GROWING, AttackCurve, AttackPoint, AttackResult, attempts
from balign.runs.tryout.store import STRENGTHS, DrawingProgress
from tests.host import journal

VERBS = ("try", "strength", "probe", "attack", "export", "push")
GROUPS = ("erased", "kept")
EACH = 4


def main(verb: str, folder: str, *options: str) -> None:
    """Pretend to do it, with the options as they were given on the command line."""
    run = Run.open(folder, Path(folder).parent)
    given = dict(option.removeprefix("--").split("=", 1) for option in options if "=" in option)
    pause, fail = float(os.environ.get("FAKE_PAUSE", "0.05")), os.environ.get("FAKE_FAIL", "")
    if verb == "export":
        time.sleep(pause)
        write_export(run, Path(given["out"]))
        return
    if verb == "push":
        push(run, options, fail)
        return
    with run.claim(drawing=True), journal.noted(run, "draw"):
        share = 1.0
        for done in range(8):
            DrawingProgress(verb=verb, done=done, total=8).write(run.path / store.PROGRESS)
            time.sleep(pause)
            if run.stop_requested():
                share = (done + 1) / 9
                break
        if fail == verb:
            message = "The memory is full; take a smaller model."
            DrawingProgress(verb=verb, failed=message).write(run.path / store.PROGRESS)
            sys.exit(2)
        if verb == "try":
            write_try(run, given["prompt"], int(given["seed"]), int(given["images"]), share)
        elif verb == "probe":
            write_probes(run, share=share)
        elif verb == "attack":
            write_attack(run, share=share, control=given.get("control"))
        else:
            write_strengths(run, share=share)
        if share == 1.0:
            store.clear_progress(run)
            return
        DrawingProgress(verb=verb, failed="Stopped; every picture that was drawn is kept.", stopped=True).write(
            run.path / store.PROGRESS
        )
        run.clear_stop()
        sys.exit(2)


def part(of: int, share: float) -> int:
    """How many of these are drawn when this share of the time has passed; at least one."""
    return max(int(of * share), 1)


def write_try(run: Run, prompt: str, seed: int, count: int, share: float = 1.0) -> Path:
    target = store.new_try(run)
    rows = []
    with atomic(target) as draft:
        draft.mkdir(parents=True)
        for k in range(part(count, share)):
            row: dict[str, object] = {"prompt": prompt, "seed": seed + k}
            for side, colour, score in (("before", "#f6d186", 0.31), ("after", "#c7d8f5", 0.12)):
                Image.new("RGB", (64, 64), colour).save(draft / f"{side}-{k}.png")
                row |= {side: f"tries/{target.name}/{side}-{k}.png", f"alignment_{side}": score}
            rows.append(row)
        facts = {"prompt": prompt, "seed": seed, "scorer": "emoji", "seconds": 0.1, "images": rows, "asked": count}
        (draft / "try.json").write_text(json.dumps(facts))
    return target


def write_strengths(run: Run, prompt: str = "a drawing", share: float = 1.0) -> None:
    frames = []
    with atomic(run.path / "strength") as draft:
        draft.mkdir(parents=True)
        for place, amount in enumerate(STRENGTHS[: part(len(STRENGTHS), share)]):
            for k in range(2 * EACH):
                shade = int(255 - 120 * amount) if k < EACH else 200
                Image.new("RGB", (64, 64), (shade, 180, 160)).save(draft / f"{place}-{k}.png")
            frames.append(
                {"strength": amount, "alignment": [0.3 - 0.15 * amount] * EACH + [0.3 - 0.01 * amount] * EACH}
            )
        rows = [
            {"group": group, "prompt": f"{prompt} of what is {group}, number {k}", "seed": k}
            for group in GROUPS
            for k in range(EACH)
        ]
        (draft / "strength.json").write_text(json.dumps({"scorer": "emoji", "prompts": rows, "frames": frames}))


def write_probes(run: Run, said: str = "kitty", share: float = 1.0) -> None:
    """One probe of each kind and each state; a synonym that training saw, and one that it did not."""
    rows: list[dict[str, object]] = []
    kinds = [*WAYS, "synonym"]
    shows = [(True, False), (True, True), (False, False), (False, True), (None, None), (True, True), (True, False)]
    with atomic(run.path / "probes") as draft:
        draft.mkdir(parents=True)
        drawn = list(zip(kinds, shows, strict=True))[: part(len(kinds), share)]
        for k, (way, (before, after)) in enumerate(drawn):
            row: dict[str, object] = {
                "way": way, "concept": "cat", "kind": "object", "said": f"{said} {k}", "seed": k, "seen": k == 6,
                "note": "Spanish" if way == "language" else "", "prompt": f"a {said} on white",
            }  # fmt: skip
            for side, shown, score in (("before", before, 0.3), ("after", after, 0.1)):
                Image.new("RGB", (64, 64), "#bfe3c0").save(draft / f"{side}-{k}.png")
                row |= {side: f"probes/{side}-{k}.png", f"alignment_{side}": score, f"shows_{side}": shown}
            rows.append(row)
        facts = {"scorer": "emoji", "left_out": 3, "probes": rows, "total": len(kinds)}
        (draft / "probes.json").write_text(json.dumps(facts))


ATTACKED = [  # attack, tokens, and for each budget the shares of the erased model, the base and the control
    ("name", 0, {0: (0, 8, 0)}),
    ("rounding", 0, {8: (0, 8, 0), 4: (1, 7, 0)}),
    ("inversion", 2, {50: (1, 5, 0), 100: (3, 7, 1), 250: (4, 8, 0)}),
]


def write_attack(run: Run, share: float = 1.0, control: str | None = None) -> Path:
    """Attacks on the erased model, the base and, if there is one, a control; a part of them is one that was stopped."""
    folder = run.path / "attacks" / "0123456789abcdef"
    curves = []
    for k, subject in enumerate(("erased", "base", "control")[: 3 if control else 2]):
        for attack, tokens, points in ATTACKED:
            place = folder / (f"control-{9:08x}" if subject == "control" else subject) / attack
            place.mkdir(parents=True, exist_ok=True)
            drawn = []
            for budget, shown in points.items():
                sheet = Image.new("RGB", (512, 64), "white")
                for n in range(8):
                    sheet.paste(("#c98b4e" if n < shown[k] else "#bfe3c0"), (64 * n, 0, 64 * n + 60, 64))
                sheet.save(place / f"{budget:04d}.png")
                name = (place / f"{budget:04d}.png").relative_to(run.path).as_posix()
                shows = tuple(n < shown[k] for n in range(8))
                drawn.append(AttackPoint(budget=budget, shown=shows, sheet=name, seconds=1.0))
            about = {"attack": attack, "tokens": tokens, "subject": subject, "made_from": subject}
            curves.append(AttackCurve(**about, points=tuple(drawn)))  # type: ignore[arg-type]
    whole = tuple(curves)
    made = whole[: part(len(whole), share)]
    result = AttackResult(
        concept="cat", kind="object", scorer="emoji", seed=0, control="never-knew" if control else None, moved=1.5,
        moved_share=0.01, seconds=9.0, curves=made, verdict=verdict(Share(0, 8), attempts(made)),
        folder=folder.relative_to(run.path).as_posix(), points=sum(len(curve.points) for curve in whole),
    )  # fmt: skip
    result.write(folder / (DONE if share == 1.0 else GROWING))
    if share == 1.0:
        (folder / GROWING).unlink(missing_ok=True)
        write(run.path / "report.html", report_page.page(run))
    return folder


def push(run: Run, options: tuple[str, ...], fail: str) -> None:
    """Keep beside the run what a process can see of itself, and of the token on its standard input only the length."""
    token = sys.stdin.readline().strip()
    (run.path / "seen.txt").write_text(repr((sys.argv, dict(os.environ))))
    if fail == "push":
        message = "The push to me/x was cut off (Broken pipe); nothing of it is shown there. Do the same again."
        DrawingProgress(verb="push", failed=message).write(run.path / store.PROGRESS)
        sys.exit(2)
    exports.note_push(run, options[1].removeprefix("--what="), f"https://hub.example/{options[0]}?{len(token)}")


def write_export(run: Run, out: Path) -> None:
    assert out.is_relative_to(run.path)
    if out.suffix == ".safetensors":
        out.parent.mkdir(exist_ok=True)
        out.write_bytes(b"weights at another strength")
        return
    out.mkdir(parents=True)
    (out / "model_index.json").write_text("{}")
