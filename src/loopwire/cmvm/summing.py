"""Trees whose rows are sums of many terms at once, instead of sums of pairs level by level."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from loopwire.cmvm.adder_tree import AdderTree, Node, Output
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
        found = tree.terms(output.source, lambda source: tree.source_depth(source) <= kept_depth)
        terms = tuple(sorted(found, key=lambda term: term.negative))
        deepest = max(tree.source_depth(term.source) for term in terms)
        nodes.append(Node(terms, tree.interval(output.source), 1 + deepest).moved(number))
        outputs.append(Output(n + len(nodes) - 1, output.shift))
    whole = AdderTree(tree.inputs, tuple(nodes), tuple(outputs), tree.groups)
    return replace(whole.part(range(len(outputs))), groups=tree.groups)
