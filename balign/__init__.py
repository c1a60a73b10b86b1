"""balign: erase concepts from text-to-image diffusion models with restricted gradients, and see what it cost.

``for event in balign.run(balign.RunConfig(erase=["cat"])): print(event)`` is the whole of it. The names below are
loaded when they are first used, so that ``import balign`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from balign.measure.evaluation import evaluate
    from balign.method.objectives import METHODS
    from balign.models.catalogue import CATALOGUE
    from balign.runs.config import Concept, RunConfig
    from balign.runs.engine.execute import run
    from balign.runs.folder import Run, list_runs
    from balign.telemetry import Phase, Preview, Report, Step

__version__ = "0.1.0"

__all__ = [
    "CATALOGUE",
    "METHODS",
    "Concept",
    "Phase",
    "Preview",
    "Report",
    "Run",
    "RunConfig",
    "Step",
    "evaluate",
    "list_runs",
    "run",
]

_HOMES = {
    "CATALOGUE": "balign.models.catalogue",
    "METHODS": "balign.method.objectives",
    "Concept": "balign.runs.config",
    "Phase": "balign.telemetry",
    "Preview": "balign.telemetry",
    "Report": "balign.telemetry",
    "Run": "balign.runs.folder",
    "RunConfig": "balign.runs.config",
    "Step": "balign.telemetry",
    "evaluate": "balign.measure.evaluation",
    "list_runs": "balign.runs.folder",
    "run": "balign.runs.engine.execute",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'balign' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
