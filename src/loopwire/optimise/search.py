"""The search for fraction bits: what each group can do alone, then all together, then one bit after the other.

Ref: W. Sung and K.-I. Kum, "Simulation-based word-length optimization method for fixed-point digital signal processing
     systems", IEEE Trans. Signal Process. 43 (1995) 3087-3090 (least word lengths alone bound those together).
Ref: M.-A. Cantin, Y. Savaria and P. Lavoie, "A comparison of automatic word length optimization procedures", ISCAS 2002
     (greedy reduction).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loopwire.optimise.criterion import Judgement
from loopwire.optimise.journal import Choice

Evaluate = Callable[[Sequence[Choice]], list[tuple[Judgement, float]]]
"""The judgement and the cost of each of some choices, none of which depends on another's."""
Tell = Callable[[str, Choice], None]
"""Called with what is being done, and the best choice so far."""

LEAST_LOSS = 0.01
"""A loss below this share of the margin at the start is as good as none: the events cannot tell it from 0."""


def descend(evaluate: Evaluate, wide: Choice, floor: Choice, tell: Tell) -> list[Choice]:
    """Return choices that are all safe, each cheaper than the one before; no single bit less makes the last cheaper.

    Args:
        evaluate: gives judgement and cost.
        wide: a safe choice to start from.
        floor: the fewest bits that each group may have.
        tell: called with the progress.
    """
    ((judged_wide, _),) = evaluate([wide])
    assert judged_wide.is_safe
    tell("each group alone", wide)
    least = _least_alone(evaluate, wide, floor)
    path = [wide]
    for guard in range(max(w - low for w, low in zip(wide, least, strict=True)) + 1):
        start = tuple(min(low + guard, w) for low, w in zip(least, wide, strict=True))
        tell(f"least alone + {guard} bits", path[-1])
        if evaluate([start])[0][0].is_safe:
            path.append(start)
            break
    slack = judged_wide.safe_margin * LEAST_LOSS
    open_groups = [group for group in range(len(wide)) if path[-1][group] > least[group]]
    while open_groups:
        current = path[-1]
        tell(f"a bit less in each of {len(open_groups)} groups", current)
        narrowed = [_changed(current, group, current[group] - 1) for group in open_groups]
        (judgement, cost), *tried = evaluate([current, *narrowed])
        ranked: list[tuple[float, int]] = []
        safe: set[int] = set()
        for group, (narrower, cheaper) in zip(open_groups, tried, strict=True):
            if narrower.is_safe:
                safe.add(group)
                lost = max(judgement.score - narrower.score, slack, 1e-12)
                if cheaper < cost:  # coarser weights may have more digits
                    ranked.append(((cost - cheaper) / lost, group))
        if not ranked:
            break
        best = max(ranked, key=lambda entry: (entry[0], -entry[1]))[1]
        path.append(_changed(current, best, current[best] - 1))
        open_groups = [group for group in open_groups if group in safe and path[-1][group] > least[group]]
    return path


def _least_alone(evaluate: Evaluate, wide: Choice, floor: Choice) -> list[int]:
    """Return the fewest bits of each group that are safe while all others are wide, taking more bits to be safer."""
    unsafe, safe = [bits - 1 for bits in floor], list(wide)
    while open_groups := [group for group in range(len(wide)) if safe[group] - unsafe[group] > 1]:
        middles = [(safe[group] + unsafe[group]) // 2 for group in open_groups]
        choices = [_changed(wide, group, middle) for group, middle in zip(open_groups, middles, strict=True)]
        for group, middle, (judgement, _) in zip(open_groups, middles, evaluate(choices), strict=True):
            if judgement.is_safe:
                safe[group] = middle
            else:
                unsafe[group] = middle
    return safe


def _changed(choice: Choice, group: int, bits: int) -> Choice:
    return (*choice[:group], bits, *choice[group + 1 :])
