"""What a visitor of a public instance is charged for beginning runs and drawings."""

from collections.abc import Sequence

from balign.host import limits, rates
from balign.host.rates import Charge
from balign.host.visitors import Visitor
from balign.runs import prompt_lists
from balign.runs.config import RunConfig


def count_runs(visitor: Visitor, configs: Sequence[RunConfig]) -> None:
    """Count a start for each config, and the images that it may draw. Raises Refusal if these are too many."""
    drawn = [prompt_lists.pictures(config) for config in configs]
    images = sum(p.training + p.compared + p.reference + p.checked + p.previews * p.in_preview for p in drawn)
    what = "runs were begun" if len(configs) == 1 else f"runs may be begun, and {len(configs)} were asked for,"
    starts = Charge("starts", limits.LIMITS.starts, len(configs), what)
    _count(visitor, starts, Charge("images", limits.LIMITS.images_each, images, "images may be drawn"))


def count_drawing(visitor: Visitor, amount: int = 1) -> None:
    """Count a drawing with a finished run's weights, a long one as several. Raises Refusal if it is one too many."""
    what = "drawings were begun" if amount == 1 else f"drawings may be begun, of which this is {amount},"
    _count(visitor, Charge("drawings", limits.LIMITS.drawings, amount, what))


def _count(visitor: Visitor, *charges: Charge) -> None:
    """Refuse who begins too often; a new secret costs nothing, so addresses are counted too."""
    if not limits.public():
        return
    whose = {f"of {visitor.secret}": 1} | (
        {f"from {visitor.address}": limits.LIMITS.sharing} if visitor.address else {}
    )
    each = [(charge, who, times) for charge in charges for who, times in whose.items()]
    rates.RATE.charge([c._replace(key=f"{c.key} {who}", most=c.most * times) for c, who, times in each])
