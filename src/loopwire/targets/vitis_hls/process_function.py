"""The function of one process: its loops over steps and sequences, its states, what it reads and hands on."""

from __future__ import annotations

from loopwire.ir.graph import Value
from loopwire.schedule.engine import State
from loopwire.targets.vitis_hls.cxx import indented, literal, local_names, loop, partition, short_name
from loopwire.targets.vitis_hls.knobs import HlsKnobs
from loopwire.targets.vitis_hls.library import Library
from loopwire.targets.vitis_hls.ports import Ports
from loopwire.targets.vitis_hls.processes import Channel, Process, count_products, live_nodes
from loopwire.targets.vitis_hls.statements import Place, Step
from loopwire.text.escapes import Comment, comment
from loopwire.text.identifiers import Names


def process_function(process: Process, library: Library, knobs: HlsKnobs) -> list[str]:
    """Return the lines of a process's function; its parameters are the channels it reads, then those it writes."""
    writer = _Writer(process, library, knobs)
    body = writer.reverse() if process.reverse else writer.steps()
    channels = [(c, False) for c in process.taken] + [(c, True) for c in process.given]
    parameters = [writer.ports.parameter(c, writer.channel_names[c], writes) for c, writes in channels]
    head = [f"inline void {process.name}({', '.join(parameters)}) {{"]
    if len(head[0]) > 116:
        head = [
            f"inline void {process.name}(",
            *(f"    {p}{',' if p is not parameters[-1] else ') {'}" for p in parameters),
        ]
    return [_about(process), *head, *writer.directives(), *indented(body), "}"]


def _about(process: Process) -> Comment:
    owner = f"Layer {process.layer}" if process.layer else "The model"
    if process.reverse:
        return comment(f"{owner}: {process.length} steps, handed on in reverse order.")
    if process.length == 1 and not process.states:
        return comment(f"{owner}: once a sequence.")
    what = "recurrence" if process.recurs else "what depends on the input of a step only"
    return comment(f"{owner}: {what}, {process.length} steps.")


class _Writer:
    def __init__(self, process: Process, library: Library, knobs: HlsKnobs) -> None:
        self._process = process
        self._library = library
        self._knobs = knobs
        self.ports = Ports(library.types, knobs)
        self._names: Names = local_names()
        self.channel_names: dict[Channel, str] = {}
        for value, channel in (*process.reads, *process.initials):
            self.channel_names[channel] = self._names.unique(f"{short_name(value)}_in")
        for value, channel in (*process.writes, *process.finals):
            self.channel_names[channel] = self._names.unique(f"{short_name(value)}_out")
        self._looped = process.length > 1 or bool(process.states) or bool(process.step_constants)
        self._time = "t" if self._looped else "0"
        self._lanes = knobs.interleave > 1
        streams = [channel for _, channel in process.reads if self.ports.is_stream(channel)]
        self._step_streams = [c for c in streams if c.short and self._looped]
        self._may_end = knobs.short_sequences and bool(self._step_streams) and process.length > 1
        self._longer = [c for c in streams if not c.short and self._looped] if self._may_end else []
        """Streams of steps that go on after a short sequence has ended; they are read to their end."""
        self._place: dict[Value, Place] = {}

    def directives(self) -> list[str]:
        """Return the directives of the function as a whole."""
        lines = ["#pragma HLS INLINE off"]
        if self._knobs.unrolled:
            beats = max((c.beats for c in self.channel_names if self.ports.is_stream(c)), default=1)
            lines.append(f"#pragma HLS PIPELINE II = {max(self._knobs.reuse_factor, beats)}")
            products = self._process.length * count_products(self._process)
            if self._knobs.reuse_factor > 1 and products:
                limit = -(-products // self._knobs.reuse_factor)
                lines.append(f"#pragma HLS ALLOCATION operation instances = mul limit = {limit}")
        elif not self._looped and not self._lanes and not self._knobs.in_passes and not self._whole_channels():
            lines.append("#pragma HLS PIPELINE II = 1")
        return lines

    def _whole_channels(self) -> list[Channel]:
        """Return the channels whose beats are read or written all in one step."""
        if self._looped:
            return []
        return [c for c in self.channel_names if c.beats > 1]

    # --- steps ---

    def steps(self) -> list[str]:
        """Return the body of a process that computes."""
        process, knobs = self._process, self._knobs
        lines = [line for state in process.states for line in self._state(state)]
        lines += self._flags()
        for value, channel in process.reads:
            if channel in self._whole_channels():
                lines += self._gather(value, channel)
        outputs = [value for value, _ in process.writes] + [state.following for state in process.states]
        reads = [(v, c) for v, c in process.reads if c not in self._whole_channels()]
        surplus, read_lines = (
            [
                line
                for value, channel in reads
                if (channel in self._longer) is longer
                for line in self._read(value, channel)
            ]
            for longer in (True, False)
        )
        step = Step(
            live_nodes(process.nodes, outputs),
            outputs,
            self._place,
            process.constants,
            process.step_constants,
            process.passes,
            self._names,
            self._library,
            knobs,
        )
        statements = step.lines()
        late_writes = [(v, c) for v, c in process.writes if c in self._whole_channels()]
        finish = [
            line for v, c in process.writes if c not in self._whole_channels() for line in self._write(step, v, c)
        ]
        scattered = []
        for value, channel in late_writes:
            declared, filled, written = self._scatter(step, value, channel)
            lines += declared
            finish += filled
            scattered += written
        finish += self._advance(step)
        finish += self._end_of_step()
        lines += self._loops(surplus, read_lines, statements, finish)
        for value, channel in process.finals:
            lines += self._final(value, channel)
        return [*lines, *scattered]

    def _loops(self, surplus: list[str], reads: list[str], statements: list[list[str]], finish: list[str]) -> list[str]:
        """Return the loops; `surplus` reads what may be longer than a sequence."""
        knobs = self._knobs
        guard = "!ended[s]" if self._lanes else "!last"
        if knobs.lanes_in_statements:
            if reads or surplus:
                reads = self._lane_loop("read", [*surplus, *self._guarded(guard, reads)])
            if finish:
                finish = self._lane_loop("finish", self._guarded(guard, finish))
            return self._step_loop([*self._beat_arrays, *reads, *(line for s in statements for line in s), *finish])
        body = [*reads, *(line for s in statements for line in s), *finish]
        if self._lanes:
            return self._step_loop(self._lane_loop("sequences", [*surplus, *self._guarded(guard, body)]))
        if knobs.unrolled:
            return self._step_loop([*surplus, *self._guarded(guard, body)], "UNROLL")
        if self._longer:
            body = [*surplus, *self._guarded(guard, body)]
        return self._step_loop(body, *([] if knobs.in_passes else [self._pipeline()]))

    def _pipeline(self) -> str:
        """Return the directive of a loop with a whole step in it; a state's way round decides how short it can be."""
        return "PIPELINE" if self._process.recurs else "PIPELINE II = 1"

    def _lane_loop(self, label: str, body: list[str]) -> list[str]:
        return self._each_lane(label, body, self._pipeline(), *self._dependences())

    def _dependences(self) -> list[str]:
        """Tell that a sequence's state is written long before it is read again: one turn of all sequences later."""
        if self._knobs.lanes_in_statements:
            return []
        distance = self._knobs.interleave
        names = [self._place[state.read].text.removesuffix("[s]") for state in self._process.states if state.changes]
        return [f"DEPENDENCE variable = {name} inter RAW distance = {distance} true" for name in names]

    def _guarded(self, condition: str, body: list[str]) -> list[str]:
        if not self._may_end:
            return body
        return [f"if ({condition}) {{", *indented(body), "}"]

    def _step_loop(self, body: list[str], *pragmas: str) -> list[str]:
        if not self._looped:
            pragmas = tuple(p for p in pragmas if p != "UNROLL" and not p.startswith("PIPELINE"))
            return [*(f"#pragma HLS {p}" for p in pragmas), *body]
        label = self._names.unique("steps")
        lines = loop(label, "t", self._process.length, body, *pragmas)
        if self._may_end and not self._lanes and not self._knobs.unrolled and not self._longer:
            lines[1] = f"for (int t = 0; t < {self._process.length} && !last; t++) {{"
        return lines

    def _flags(self) -> list[str]:
        if not self._may_end:
            return []
        if not self._lanes:
            return ["bool last = false;"]
        clear = self._each_lane("begin", ["ended[s] = false;"], "UNROLL")
        return [f"bool ended{self.ports.lanes};", partition("ended"), *clear]

    def _is_last(self) -> str:
        """Return the expression that says whether this step is the sequence's last."""
        at_end = f"t == {self._process.length - 1}" if self._looped else "true"
        if not self._may_end:
            return at_end
        beat = f"{self.channel_names[self._step_streams[0]]}_beat"
        return f"{beat}[s].last || {at_end}" if self._knobs.lanes_in_statements else f"{beat}.last || {at_end}"

    def _end_of_step(self) -> list[str]:
        if not self._may_end:
            return []
        return [f"{'ended[s]' if self._lanes else 'last'} = {self._is_last()};"]

    # --- channels ---

    def _read(self, value: Value, channel: Channel) -> list[str]:
        name = self.channel_names[channel]
        if not self.ports.is_stream(channel):
            self._place[value] = Place(f"{self.ports.lane(name)}[{self._time}]")
            if not value.type.shape:
                self._place[value] = Place(f"{self._place[value].text}[0]", scalar=True)
            return []
        lanes = self._knobs.lanes_in_statements
        beat = f"{name}_beat[s]" if lanes else f"{name}_beat"
        scalar = not value.type.shape
        self._place[value] = Place(f"{beat}.value{'[0]' if scalar else ''}", scalar=scalar)
        if lanes:
            return [f"{beat} = {self.ports.read(channel, name)};"]
        return self._read_beat(channel, name, beat)

    def _read_beat(self, channel: Channel, name: str, beat: str) -> list[str]:
        """Return the lines that read a beat of a stream."""
        declared = f"const {self.ports.beat_type(channel)} {beat} = {self.ports.read(channel, name)};"
        return [declared, partition(f"{beat}.value")]

    @property
    def _beat_arrays(self) -> list[str]:
        lines = []
        for _, channel in self._process.reads:
            if self.ports.is_stream(channel) and channel not in self._whole_channels():
                beat = f"{self.channel_names[channel]}_beat"
                lines.append(f"{self.ports.beat_type(channel)} {beat}{self.ports.lanes};")
                lines.append(partition(f"{beat}.value", lanes=True))
        return lines

    def _write(self, step: Step, value: Value, channel: Channel) -> list[str]:
        name = self.channel_names[channel]
        label = self._names.unique(f"{name}_elements")
        return self.ports.write_beat(channel, name, self._time, label, step.where(value).at("k"), self._is_last())

    def _final(self, value: Value, channel: Channel) -> list[str]:
        """Hand on a final state."""
        name, source = self.channel_names[channel], self._place[value]
        if channel.beats > 1:
            return self._write_beats(channel, source.at(f"b * {channel.size} + k"))
        label = self._names.unique(f"{name}_elements")
        body = self.ports.write_beat(channel, name, "0", label, source.at("k"), "true")
        return self._each_lane(f"{name}_sequences", body)

    def _write_beats(self, channel: Channel, source: str) -> list[str]:
        """Hand on all beats, of whose elements `source` is the k-th of beat b."""
        name = self.channel_names[channel]
        label = self._names.unique(f"{name}_elements")
        body = self.ports.write_beat(channel, name, "b", label, source, f"b == {channel.beats - 1}")
        return self._beat_loop(f"{name}_beats", channel, self._each_lane(f"{name}_sequences", body))

    def _each_lane(self, label: str, body: list[str], *pragmas: str) -> list[str]:
        if not self._lanes:
            return body
        return loop(self._names.unique(label), "s", self._knobs.interleave, body, *(pragmas or ("PIPELINE II = 1",)))

    def _beat_loop(self, label: str, channel: Channel, body: list[str]) -> list[str]:
        return loop(self._names.unique(label), "b", channel.beats, body, *self._each_beat())

    def _each_beat(self) -> list[str]:
        """Return the directives of a loop over beats, in which one over sequences may be."""
        return [] if self._lanes else ["UNROLL" if self._knobs.unrolled else "PIPELINE II = 1"]

    def _gather(self, value: Value, channel: Channel) -> list[str]:
        """Read all beats of a sequence into an array; steps that a short one lacks are 0."""
        name = self.channel_names[channel]
        buffer, lanes = self._names.unique(short_name(value)), self.ports.lanes
        self._place[value] = Place(self.ports.lane(buffer))
        declared = [f"{self._library.types.of(channel.value)} {buffer}{lanes}[{channel.beats * channel.size}];"]
        if self._knobs.unrolled or not self._knobs.in_passes:
            declared.append(partition(buffer, self._lanes))
        target = f"{self.ports.lane(buffer)}[b * {channel.size} + k]"
        label = self._names.unique(f"{name}_elements")
        if not self.ports.is_stream(channel):
            body = loop(label, "k", channel.size, [f"{target} = {self.ports.lane(name)}[b][k];"], "UNROLL")
            return [*declared, *self._beat_loop(f"{name}_beats", channel, self._each_lane(f"{name}_sequences", body))]
        ended = self._names.unique(f"{name}_ended")
        lines = self._read_beat(channel, name, f"{name}_beat")
        lines += loop(label, "k", channel.size, [f"{target} = {name}_beat.value[k];"], "UNROLL")
        if self._knobs.short_sequences:
            zeros = loop(self._names.unique(f"{name}_missing"), "k", channel.size, [f"{target} = 0;"], "UNROLL")
            flag = self.ports.lane(ended)
            lines.append(f"{flag} = {name}_beat.last;")
            lines = [f"if ({flag}) {{", *indented(zeros), "} else {", *indented(lines), "}"]
            declared.append(f"bool {ended}{lanes}{'' if self._lanes else ' = false'};")
            if self._lanes:
                declared += self._each_lane("begin", [f"{flag} = false;"], "UNROLL")
        return [*declared, *self._beat_loop(f"{name}_beats", channel, self._each_lane(f"{name}_sequences", lines))]

    def _scatter(self, step: Step, value: Value, channel: Channel) -> tuple[list[str], list[str], list[str]]:
        """Return declaration, filling and handing on of an array that leaves in several beats."""
        buffer = self._names.unique(f"{self.channel_names[channel]}_buffer")
        size = channel.beats * channel.size
        declared = [f"{self._library.types.of(channel.value)} {buffer}{self.ports.lanes}[{size}];"]
        source = step.where(value).at("k")
        filled = loop(
            self._names.unique(f"{buffer}_elements"), "k", size, [f"{self.ports.lane(buffer)}[k] = {source};"], "UNROLL"
        )
        written = self._write_beats(channel, f"{self.ports.lane(buffer)}[b * {channel.size} + k]")
        return declared, filled, written

    # --- states ---

    def _state(self, state: State) -> list[str]:
        """Declare a state and set it to its initial value."""
        read = state.read
        name, scalar = self._names.unique(short_name(read)), not read.type.shape
        self._place[read] = Place(self.ports.lane(name), scalar=scalar)
        type_name, elements = self._library.types.of(read), "" if scalar else f"[{read.type.size}]"
        lines = [f"{type_name} {name}{self.ports.lanes}{elements}; // state: {read.type.element}"]
        if not scalar:
            lines.append(partition(name, self._lanes))
        if state.initial_value is not None:
            return [*lines, *self._given_state(read)]
        initial = state.initial.reshape(-1).tolist()
        if len(set(initial)) == 1:
            value = (
                "0" if initial[0] == 0 else f"fixed_of<{type_name}>({literal(initial[0], read.type.element.width + 1)})"
            )
        else:
            value = f"fixed_of<{type_name}>({self._library.array(read, state.initial.reshape(-1))}[k])"
        label = self._names.unique(f"{name}_initial")
        clear = loop(label, "k", read.type.size, [f"{self._place[read].at('k')} = {value};"], "UNROLL")
        return [*lines, *self._each_lane(f"{label}_sequences", clear, "UNROLL")]

    def _given_state(self, read: Value) -> list[str]:
        """Return the lines that take an initial state from its channel."""
        channel = next(channel for value, channel in self._process.initials if value is read)
        name, target = self.channel_names[channel], self._place[read].at("k")
        label = self._names.unique(f"{name}_elements")
        if not self.ports.is_stream(channel):
            source = f"{self.ports.lane(name)}[0][k]"
            body = loop(label, "k", read.type.size, [f"{target} = {source};"], "UNROLL")
        else:
            body = self._read_beat(channel, name, f"{name}_beat")
            body += loop(label, "k", read.type.size, [f"{target} = {name}_beat.value[k];"], "UNROLL")
        return self._each_lane(f"{label}_sequences", body)

    def _advance(self, step: Step) -> list[str]:
        """Let the states take their following values; all at once, where one takes another's."""
        places = {self._place[state.read].text for state in self._process.states}
        first: list[str] = []
        then: list[str] = []
        for state in self._process.states:
            target, source = self._place[state.read], step.where(state.following)
            if source.text == target.text and not source.offset:
                continue
            size = state.read.type.size
            name = target.text.removesuffix("[s]")
            if source.text in places:
                kept = self._names.unique(f"{name}_following")
                first.append(f"{self._library.types.of(state.read)} {kept}[{size}];")
                first += loop(f"{kept}_elements", "k", size, [f"{kept}[k] = {source.at('k')};"], "UNROLL")
                source = Place(kept)
            label = self._names.unique(f"{name}_elements")
            then += loop(label, "k", size, [f"{target.at('k')} = {source.at('k')};"], "UNROLL")
        return [*first, *then]

    # --- reverse ---

    def reverse(self) -> list[str]:
        """Return the body of a process that hands on steps in reverse order, of a short sequence its own steps."""
        ((value, channel),) = self._process.reads
        name, length, short = self.channel_names[channel], self._process.length, self._knobs.short_sequences
        buffer, lanes = self._names.unique(short_name(value)), self.ports.lanes
        kept = f"{self.ports.lane(buffer)}[t][k]"
        lines = [f"{self._library.types.of(channel.value)} {buffer}{lanes}[{length}][{channel.size}];"]
        count, ended = self.ports.lane("length"), self.ports.lane("ended")
        if short:
            lines += [f"int length{lanes};", f"bool ended{lanes};"]
            lines += self._each_lane("begin", [f"{count} = {length};", f"{ended} = false;"], "UNROLL")
        label = self._names.unique("keep_elements")
        if self.ports.is_stream(channel):
            body = self._read_beat(channel, name, "beat")
            body += loop(label, "k", channel.size, [f"{kept} = beat.value[k];"], "UNROLL")
            if short:
                body += ["if (beat.last) {", f"  {count} = t + 1;", f"  {ended} = true;", "}"]
                body = [f"if (!{ended}) {{", *indented(body), "}"]
        else:
            body = loop(label, "k", channel.size, [f"{kept} = {self.ports.lane(name)}[t][k];"], "UNROLL")
        lines += loop("keep", "t", length, self._each_lane("keep_sequences", body), *self._each_beat())
        end = f"{count} - 1" if short else str(length - 1)
        body = []
        for _, target in self._process.writes:
            written = self.channel_names[target]
            source = f"{self.ports.lane(buffer)}[{end} - t][k]"
            label = self._names.unique(f"{written}_elements")
            body += self.ports.write_beat(target, written, "t", label, source, f"t == {end}")
        if short:
            body = [f"if (t < {count}) {{", *indented(body), "}"]
        return [*lines, *loop("give", "t", length, self._each_lane("give_sequences", body), *self._each_beat())]
