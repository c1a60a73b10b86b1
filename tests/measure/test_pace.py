"""The bar never falls and the time left is about right, over many runs that were stopped, killed and resumed."""

import random
from collections.abc import Iterator

import pytest

from balign.measure.pace import SHARES, Pace
from balign.telemetry import Phase

WORK = {"load": 1, "check": 2, "data": 120, "unlearn": 100, "evaluate": 48, "save": 1}
READ = 0.01
"""Seconds to read a picture that was drawn before."""
CHECKPOINTS = 10
"""Steps between two checkpoints."""


class Recorded:
    """A run as its processes record it: how long everything takes is known, so what is left is too."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        picture = 10 ** self.chance.uniform(-1, 1)
        self.cost = {"load": 5.0, "check": 8 * picture, "data": picture, "evaluate": picture, "save": 2.0}
        self.cost["unlearn"] = 10 ** self.chance.uniform(-1, 1)
        self.drawn = self.step = 0
        self.work = dict(WORK)

    def cost_of(self, name: str, unit: int) -> float:
        cost = READ if name == "data" and unit < self.drawn else self.cost[name]
        return cost * self.chance.uniform(0.9, 1.1)

    def rest(self, name: str, done: int) -> float:
        """Seconds from here to the end of the run."""
        names = list(WORK)
        later = names[names.index(name) + 1 :]
        left = [(name, range(done, self.work[name]))]
        left += [(each, range(self.step if each == "unlearn" else 0, self.work[each])) for each in later]
        return sum(READ if n == "data" and k < self.drawn else self.cost[n] for n, units in left for k in units)

    def session(self) -> Iterator[tuple[Phase, float]]:
        """The phases of one process, each with how long the run then takes yet."""
        for name, total in self.work.items():
            seconds, first = 0.0, self.step if name == "unlearn" else 0
            yield Phase(name, first, total, 0.0), self.rest(name, first)
            for done in range(first, total):
                seconds += self.cost_of(name, done)
                if name == "data":
                    self.drawn = max(self.drawn, done + 1)
                if name == "unlearn" and (done + 1) % CHECKPOINTS == 0:
                    self.step = done + 1
                yield Phase(name, done + 1, total, seconds), self.rest(name, done + 1)

    def life(self) -> Iterator[tuple[Phase, float]]:
        """Sessions that end anywhere, by a stop that compares or by a kill, and a last one to the end."""
        for _ in range(self.chance.randrange(4)):
            ends, before = self.chance.randrange(sum(WORK.values())), None
            for k, (phase, left) in enumerate(self.session()):
                yield phase, left
                before = phase
                if k == ends:
                    break
            if before is not None and before.name == "unlearn" and self.chance.random() < 0.7:
                yield from self.partial(before)
        yield from self.session()

    def partial(self, at: Phase) -> Iterator[tuple[Phase, float]]:
        self.step = at.done
        for name in ("evaluate", "save"):
            for done in range(self.work[name] + 1):
                left = self.rest(name, done)
                yield Phase(name, done, self.work[name], done * self.cost[name]), left


@pytest.mark.parametrize("seed", range(60))
def test_the_bar_never_falls_and_comes_to_its_end(seed: int) -> None:
    run, seen = Pace(), [0.0]
    for phase, _ in Recorded(seed).life():
        run.take(phase)
        seen.append(run.fraction)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
    assert run.fraction <= 1.0


@pytest.mark.parametrize("seed", range(60))
def test_the_time_left_is_near_the_truth_after_a_tenth_of_a_phase(seed: int) -> None:
    """Also for a resumed run. The phases to come are known from earlier sessions, or guessed from the speed so far."""
    run, trained = Pace(), False
    for phase, left in Recorded(seed).life():
        run.take(phase)
        trained = trained or (phase.name == "unlearn" and phase.done >= 0.1 * phase.total)
        guess = run.seconds_left(stopping=phase.name in ("evaluate", "save"))
        if trained and phase.done >= 0.1 * phase.total and left > 10:
            assert guess is not None
            assert left / 2 - 10 < guess < left * 2 + 10, (phase, left, guess)


@pytest.mark.parametrize("seed", range(60))
def test_the_time_left_rises_by_no_more_than_was_measured(seed: int) -> None:
    """Within a session it falls, but for the noise, once the phase that is going on has shown how fast it is."""
    run, before, last = Pace(), None, None
    for phase, _ in Recorded(seed).life():
        run.take(phase)
        left = run.seconds_left()
        known = last is not None and last.name == phase.name != "check" and 0.1 * phase.total < last.done < phase.done
        if known and left is not None and before is not None and last is not None:
            assert left <= before * 1.03 + 0.1 + (phase.seconds - last.seconds), (phase, before, left)
        before, last = left, phase


def test_an_earlier_sessions_pace_counts_until_this_one_has_its_own() -> None:
    run = Pace()
    told = [("load", 1, 1, 5), ("check", 0, 2, 0), ("check", 2, 2, 16), ("data", 0, 100, 0), ("data", 100, 100, 100)]
    for phase in (*told, ("unlearn", 0, 100, 0), ("unlearn", 50, 100, 500)):
        run.take(Phase(*phase))
    assert run.seconds_left() == pytest.approx(500 + SHARES["evaluate"] / SHARES["data"] * 100, rel=0.15)
    stopped = run.seconds_left(stopping=True)
    for phase in (("evaluate", 0, 40, 0), ("evaluate", 40, 40, 40), ("save", 1, 1, 1), ("load", 0, 1, 0)):
        run.take(Phase(*phase))
    assert stopped is not None
    assert stopped < 60
    assert run.seconds_left() == pytest.approx(5 + 16 + 0 + 500 + 40, rel=0.05)  # nothing for pictures it only reads
    for phase in (("load", 1, 1, 5), ("check", 2, 2, 16), ("data", 80, 100, 0), ("data", 100, 100, 1)):
        run.take(Phase(*phase))
    assert run.seconds_left() == pytest.approx(500 + 40, rel=0.05)
    for phase in (("unlearn", 50, 100, 0), ("unlearn", 75, 100, 25)):  # ten times as fast: another machine, say
        run.take(Phase(*phase))
    assert run.seconds_left() == pytest.approx(25 + 40, rel=0.4)


def test_pictures_that_are_gone_from_the_cache_are_counted_again() -> None:
    run = Pace()
    for phase in (("check", 2, 2, 16), ("data", 0, 100, 0), ("data", 60, 100, 60), ("load", 0, 1, 0), ("load", 1, 1, 5),
                  ("check", 2, 2, 16), ("data", 0, 100, 0), ("data", 10, 100, 10)):  # fmt: skip
        run.take(Phase(*phase))
    left = run.seconds_left()
    assert left is not None
    assert left > 90
