"""Trees whose rows are sums of many terms at once, instead of sums of pairs level by level."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from loopwire.cmvm.adder_tree import AdderTree, Node, Output, Term
from loopwire.cmvm.shift_add import KEPT_TREES


@lru_cache(maxsize=KEPT_TREES)
def summed_at_once(tree: AdderTree, kept_depth: int) -> AdderTree:
    """Return a tree that adds to each of its rows, at once, what is left behind `kept_depth` adders."""
    n = len(tree.inputs)
    nodes: list[Node] = []
    number: dict[int | None, int] = {source: source for source in range(n)}
    for source, node in enumerate(tree.nodes, n):
        if node.depth <= kept_depth:
            number[source] = n + len(nodes)
            nodes.append(node.moved(number))
    outputs = []
    for output in tree.outputs:
        if output.source is None or tree.source_depth(output.source) <= kept_depth:
            outputs.append(output if output.source is None else replace(output, source=number[output.source]))
            continue
        terms = _terms(tree, Term(output.source, 0, False), kept_depth)
        deepest = max(tree.source_depth(term.source) for term in terms)
        nodes.append(Node(terms, tree.interval(output.source), 1 + deepest).moved(number))
        outputs.append(Output(n + len(nodes) - 1, output.shift))
    whole = AdderTree(tree.inputs, tuple(nodes), tuple(outputs), tree.groups)
    return replace(whole.part(range(len(outputs))), groups=tree.groups)


def _terms(tree: AdderTree, total: Term, kept_depth: int) -> tuple[Term, ...]:
    """Return what a source is the sum of, terms of at most so many adders, the positive ones first."""
    pending, found = [total], []
    while pending:
        term = pending.pop()
        if tree.source_depth(term.source) <= kept_depth:
            found.append(term)
        else:
            pending += [of.scaled(term.shift, term.negative) for of in tree.nodes[term.source - len(tree.inputs)].terms]
    return tuple(sorted(found, key=lambda term: term.negative))
