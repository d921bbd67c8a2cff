"""Common ground of frontends whose graphs are operations on tensors with a batch axis, such as PyTorch's and ONNX's.

Such a graph says `transpose`, `squeeze`, `matmul`; Loopwire's layers act on sequences (T, F) and vectors (F,) without a
batch. A frontend goes through its operations once, in order, and calls for each what it means:

    def run(trace: Trace, inputs: Sequence[View]) -> Sequence[Operand]:
        values = dict(zip(names, inputs))
        for node in graph:
            trace.enter(Place(name, where))     # names the layers made from now on, and errors
            ...
            values[node.output] = linear(trace, values[node.input], weight, bias)
        return [values[name] for name in outputs]

    model = read_graph("tagger", inputs, run, source, reading)

An `Operand` is a numpy array, a constant, or a `View`: tensors of the network and the meaning of each axis. Functions
take both, and fold what depends on constants alone.

| module | what |
|---|---|
| `views` | axes and their meanings: permute, squeeze, unsqueeze |
| `slicing` | places of an axis: select, slices, flip, padding |
| `reshaping` | reshape, expand |
| `joining` | concat, stack |
| `wires` | layers that move features and steps of one tensor |
| `exchange` | steps as features, and features as steps, for what works along the steps |
| `windows` | convolution, pooling |
| `normalisation` | over features, steps and groups of features |
| `arithmetic` | linear, activations, sums and products with constants and of tensors, powers |
| `choosing` | comparisons, and choices by them |
| `reductions` | means, sums, extremes, lengths over axes |
| `products` | products of two tensors, and attention |
| `einsum` | sums of products by an equation, made of these |
| `masks` | which steps count: of inputs, of comparisons, constant; for attention, or as numbers |
| `recurrent` | recurrent layers over a sequence, and cells called in a loop, which become one |
| `rolling` | loops that were written out: one layer again (`template`, `first_steps`) |
| `constants` | constants where tensors belong |
| `trace` | what is made so: `Wire`s, of layers called on others |
| `written_out` | functions that were written out, by what they compute: one layer each (`evaluation`) |
| `emission` | wires to a `Model`: only what the outputs need; activations join the dense layer before them |
| `hypotheses` | `read_graph`: which axis of an input is the batch, which the steps; lengths that are open |

No axis's meaning is declared: `read_graph` tries layouts of the inputs, batch first before steps first, until one makes
sense of the whole graph. `run` may thus run several times, and raises `trace.refused(problem, remedy)`
for what it cannot read; the error of the layout that led furthest is the user's.
"""
