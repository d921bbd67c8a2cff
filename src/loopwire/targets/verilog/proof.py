"""Proof by simulation: the hardware gives the emulator's bits and takes the predicted cycles."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from loopwire.config import CompileConfig
from loopwire.data import Batch
from loopwire.errors import DataError, VerificationError
from loopwire.report.summary import Cycles, Verification
from loopwire.schedule.cycles import arrivals, run
from loopwire.simulate.simulation import FAULT, SimulationResult, Stimulus
from loopwire.system.progress import Progress
from loopwire.targets.verilog.hardware import VerilogHardware

Fresh = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.int64]

SEQUENCES_A_RUN = 250
ARRIVALS, NETWORK_ARRIVALS = 200, 50
"""Sequences at random times, at most."""
FULL_RATE_STIMULUS = Stimulus(seed=1)
SEQUENCES_A_CHANNEL = 4
"""In a run, where something of a channel lasts."""


@dataclass(frozen=True)
class _Regime:
    """How the beats of some runs come and go."""

    name: str
    valid_probability: float = 1.0
    ready_probability: float = 1.0

    @property
    def is_stressed(self) -> bool:
        return self != FULL_RATE


FULL_RATE = _Regime("at full rate")
REGIMES = (
    _Regime("with gaps and stalls", 0.7, 0.6),
    _Regime("with stalls", 1.0, 0.3),
    FULL_RATE,
    _Regime("with gaps", 0.5, 1.0),
)
RESETS_A_RUN = 3
METHOD = (
    "Every output bit of the simulated SystemVerilog was compared with the integer emulator. Latency and initiation "
    "interval were counted in the simulation and equal the schedule's prediction."
)


def prove(hardware: VerilogHardware, x: Batch, seed: int, progress: Progress | None) -> Verification:
    """Simulate inputs (N, *input shape), and compare every bit with the emulator, and the cycles with the prediction.

    Runs at full rate and without TLAST, with gaps in the input, with stalls of the output, and with both take turns. In
    all but those at full rate, the output stalls until the hardware is full and the input pauses until it is empty, a
    few times; half of the sequences are short, some full ones end without TLAST, and resets strike at random times;
    where anything lasts, a tenth forget it by TUSER. The framing breaks too, in ways that change no result, and the
    status must tell of it.

    Args:
        hardware: what is simulated.
        x: inputs.
        seed: of all random choices.
        progress: called with the progress.

    Raises:
        DataError: there are too few sequences to prove anything.
        ToolError: Verilator or a C++ compiler is missing or fails.
        VerificationError: a bit or a cycle differs, or the hardware hangs.
    """
    model = hardware.model
    integers, full = model.input_integers(x, None)
    runs = _runs(len(integers), model.config)
    simulated = _measure_cycles(hardware, integers[:1])
    random = np.random.default_rng(seed)
    short = stressed = struck = 0
    done = 0
    for index, rows in enumerate(np.array_split(np.arange(len(integers)), runs)):
        part = integers[rows]
        regime = REGIMES[index % len(REGIMES)]
        breaks_framing = regime.is_stressed and not model.config.sliding_window  # where TLAST has a meaning
        fresh = np.zeros(len(part), np.bool_)
        lengths = full[done : done + len(part)].copy()
        resets: tuple[int, ...] = ()
        still_cycles = 0
        if regime.is_stressed:
            chosen = random.random(len(part)) < 0.5 * model.may_be_short
            lengths[chosen] = random.integers(1, model.steps, chosen.sum(), endpoint=True)
            # What survives a reset shows in a full sequence, which it cuts short, or in a short one, which it fills up.
            lengths[0] = 1 if index % 2 and model.may_be_short else model.steps
            if model.config.remembers:
                fresh = random.random(len(part)) < 0.1
            if breaks_framing:
                part = hardware.ending_in_zeros(part, lengths, random)
            still_cycles = hardware.firmware.latency_cycles
            resets = tuple(random.integers(1, 2 * still_cycles, RESETS_A_RUN, endpoint=True).tolist())
            stressed += len(part)
        stimulus = Stimulus(
            int(random.integers(2**62)),
            regime.valid_probability,
            regime.ready_probability,
            last_probability=1.0 if model.config.require_tlast else 0.5 if regime.is_stressed else 0.0,
            still_cycles=still_cycles,
            resets=resets,
            breaks_framing=breaks_framing,
        )
        _simulate(hardware, part, lengths, fresh, stimulus, f"{regime.name}, data from sequence {done} on")
        done += len(part)
        short += int(np.count_nonzero(lengths < model.steps))
        struck += len(resets)
        if progress is not None:
            progress(done, len(integers))
    return Verification("RTL", METHOD, len(integers), short, stressed, struck, simulated)


def _runs(sequences: int, config: CompileConfig) -> int:
    """Return in how many runs to simulate sequences: where anything lasts, each has several sequences a channel.

    Raises:
        DataError: there is at most one sequence a channel, so that nothing would show whether anything lasts.
    """
    if not config.remembers:
        return max(-(-sequences // SEQUENCES_A_RUN), min(len(REGIMES), sequences))
    if sequences <= config.channels:
        raise DataError(
            "verification",
            f"{sequences} sequences on {config.channels} channel(s) are too few to show that states last",
            f"Simulate more, at least {SEQUENCES_A_CHANNEL * config.channels}",
        )
    fewest = SEQUENCES_A_CHANNEL * config.channels
    return max(sequences // max(SEQUENCES_A_RUN, fewest), min(len(REGIMES), sequences // fewest), 1)


def _measure_cycles(hardware: VerilogHardware, one: Batch) -> Cycles:
    """Return latency and interval as simulated, which must be those predicted."""
    firmware = hardware.firmware
    alone = _full_rate(hardware, one, "of a lone sequence")
    latency = int(alone.latency_cycles[0])
    # The first sequences may come faster than the hardware can sustain, into its buffers.
    period = firmware.steady.period_sequences
    many = firmware.steady.settled_sequences + period + 1
    stream = _full_rate(hardware, one[np.zeros(many, np.int64)], "of back-to-back sequences")
    interval = float(stream.interval_cycles[-period:].mean())
    for what, found, predicted in (
        ("a latency", latency, firmware.latency_cycles),
        ("an initiation interval", interval, firmware.initiation_interval_cycles),
    ):
        if found != predicted:
            raise VerificationError(
                f"simulation of {firmware.top}", f"it has {what} of {found:g} cycles, not of {predicted:g}", FAULT
            )
    return Cycles(latency, interval, *_measure_latencies(hardware, one))


def _measure_latencies(hardware: VerilogHardware, one: Batch) -> tuple[int, int] | tuple[()]:
    """Return the least and the greatest latency of sequences at random times, each of which must be that predicted."""
    timing = hardware.firmware.timing
    gaps = arrivals(timing, Random(1), ARRIVALS if timing.is_chain else NETWORK_ARRIVALS)
    sequences = run(timing, len(gaps), gaps)
    predicted = np.array([one.last_output - one.first_input for one in sequences])
    stimulus = Stimulus(seed=1, gaps_cycles=tuple(gaps))
    same = one[np.zeros(len(gaps), np.int64)]
    found = _full_rate(hardware, same, "of sequences at random times", stimulus).latency_cycles
    wrong = np.flatnonzero(found != predicted)
    if wrong.size:
        sequence = int(wrong[0])
        raise VerificationError(
            f"simulation of {hardware.firmware.top}",
            f"sequence {sequence} sent at random times has a latency of {found[sequence]} cycles, not of "
            f"{predicted[sequence]}",
            FAULT,
        )
    least, greatest = hardware.firmware.latency_range_cycles or (found.min(), found.max())
    assert least <= found.min() and found.max() <= greatest, "the model's own bounds"
    return int(found.min()), int(found.max())


def _full_rate(
    hardware: VerilogHardware, integers: Batch, what: str, stimulus: Stimulus = FULL_RATE_STIMULUS
) -> SimulationResult:
    count = len(integers)
    lengths, fresh = np.full(count, hardware.model.steps, np.int64), np.zeros(count, np.bool_)
    return _simulate(hardware, integers, lengths, fresh, stimulus, what)


def _simulate(
    hardware: VerilogHardware, integers: Batch, lengths: Lengths, fresh: Fresh, stimulus: Stimulus, what: str
) -> SimulationResult:
    result = hardware.run(integers, lengths, fresh, stimulus)
    result.require_equal(f"simulation of {hardware.firmware.top} {what}", hardware.due(integers, lengths, fresh))
    return result
