"""Numbers, shares and times as text, the same on the page, in the report, in the terminal and in the model card."""

import sys
from typing import Any

NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
"""What stands where there is no number, and the sign of a negative one."""


def number(value: Any) -> float | None:
    """The value if it is a finite number, else None."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return float(value) if known else None


def decimal(value: Any, form: str = ".3f") -> str:
    """A number with three decimals, or in another format."""
    known = number(value)
    return NONE if known is None else format(known, form).replace("-", MINUS)


def signed(value: Any) -> str:
    """A change, with its sign."""
    return decimal(value, "+.3f")


def percent(value: Any) -> str:
    """A share from 0 to 1 as whole percent."""
    known = number(value)
    return NONE if known is None else f"{100 * known:.0f}\N{NO-BREAK SPACE}%"


def percents(low: float, high: float) -> str:
    """An interval of a share from 0 to 1, in whole percent."""
    return f"{100 * low:.0f}{NONE}{100 * high:.0f}\N{NO-BREAK SPACE}%"


def between(low: Any, high: Any) -> str:
    """An interval of a change."""
    return f"[{signed(low)}, {signed(high)}]"


def p_value(value: Any) -> str:
    """A p-value; below 0.001 only that."""
    known = number(value)
    return NONE if known is None else "< 0.001" if known < 0.001 else f"{known:.3f}"


def duration(seconds: Any) -> str:
    """Seconds as minutes or hours, rounded as far as an estimate is accurate."""
    known = number(seconds)
    if known is None:
        return ""
    if known < 60:
        return f"{max(5 * round(known / 5), 5)} s"
    if known < 600:
        minutes, rest = int(known // 60), int(known % 60) // 10 * 10
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if known < 5400:
        return f"{known / 60:.0f} min"
    return f"{known / 3600:.1f} h" if known < 172_800 else f"{known / 86_400:.0f} days"


def gigabytes(amount: float) -> str:
    """An amount of memory or disk in GB."""
    return f"{amount:.0f} GB" if amount >= 10 else f"{max(amount, 0.1):.1f} GB"


def size(count: int) -> str:
    """The size of a file."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{max(count / 1e3, 0.1):.1f} kB"


def ordinal(place: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    ending = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place:,}{ending}"


def counted(count: int, noun: str) -> str:
    """A count with its noun in the singular or plural: 1 step, 2 steps."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
