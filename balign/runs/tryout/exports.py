"""Names of the weights that were exported at a strength, inside the run's folder."""

from balign.runs.folder import Run
from balign.runs.tryout.store import STRENGTHS


def export_name(amount: float, whole: bool = True) -> str:
    """Where, inside the run's folder, a whole pipeline of this strength is written, or its changed weights alone."""
    return f"exports/strength-{amount:.2f}{'' if whole else '.safetensors'}"


def exported(run: Run, whole: bool = True) -> list[str]:
    """Names of the pipelines that were written, or of the files of changed weights."""
    names = (export_name(amount, whole) for amount in STRENGTHS)
    return [name for name in names if run.file(f"{name}/model_index.json" if whole else name)]
