// Drives the Verilator model `Vtop` of a module with AXI4-Streams, behind a module that puts their signals together: s_data, s_valid,
// s_ready, s_last and m_data, m_valid, m_ready, m_last hold those of all ports, the first lowest; `status` tells of broken framing.
//
//     simulate <stimulus file> <result file>
//
// Both files are written and read by loopwire.simulate.simulator, which explains their contents; all integers in them are int64,
// little-endian. A beat is TDATA, TKEEP, TUSER and TID, each in whole bytes, then a byte of flags: TLAST, and of inputs whether it
// ends a sequence. Defined on the compiler's command line are IN_BYTES and OUT_BYTES, the bytes of s_data and m_data.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ports are copied byte by byte");

namespace {

constexpr int kResetCycles = 4;
constexpr int64_t kDrainCycles = 100;  // beyond the time that the last result took
constexpr int64_t kStops = 8;          // in a run, on average
constexpr int64_t kForever = int64_t{1} << 62;
constexpr uint8_t kLast = 1, kEnds = 2;

enum Status : int64_t { kDone, kNoProgress, kRetracted, kChanged, kNoLast, kUnsolicited, kReadyInReset, kStatus };

[[noreturn]] void fail(const char* action, const char* path) {
    std::fprintf(stderr, "%%Error: cannot %s %s\n", action, path);
    std::exit(1);
}

class Random {  // SplitMix64, Steele, Lea and Flood, OOPSLA 2014
  public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    // True with probability odds / 2^32.
    bool chance(int64_t odds) { return static_cast<int64_t>(next() >> 32) < odds; }

  private:
    uint64_t state_;
};

struct Header {
    int64_t seed, valid_odds, ready_odds;  // odds in 2^32
    int64_t still_cycles;                  // 0: no port stops for long
    int64_t timeout_cycles;
    int64_t status;  // in the end
    int64_t sequences, gaps, resets, inputs, outputs;
};

struct Input {
    int64_t bytes = 0, beats = 0;  // of a beat without its flags; of all sequences
    std::vector<uint8_t> data;
    int64_t sequence = 0;
    bool offered = false, begins = true;
    std::vector<int64_t> cycles;

    int64_t moved() const { return static_cast<int64_t>(cycles.size()); }
    const uint8_t* beat() const { return &data[moved() * (bytes + 1)]; }
    uint8_t flags() const { return beat()[bytes]; }
};

struct Output {
    int64_t bytes = 0, most_beats = 0;  // of a beat without its flags; of a sequence
    int64_t sequences = 0, beats = 0;   // complete ones; of the one that is not
    bool stalled = false;
    std::vector<uint8_t> held, data;
    std::vector<int64_t> valid_cycles, cycles;
};

struct Stimulus {
    Header header;
    std::vector<int64_t> gaps, resets;  // cycles
    std::vector<Input> inputs;
    std::vector<Output> outputs;
};

// What happened from one reset to the next.
struct Record {
    Status status = kDone;
    int64_t port = 0;  // that has it
    std::vector<Input> inputs;
    std::vector<Output> outputs;
};

template <class T>
void read(std::FILE* file, T* values, std::size_t count, const char* path) {
    if (std::fread(values, sizeof(T), count, file) != count) fail("read", path);
}

Stimulus read_stimulus(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (!file) fail("read", path);
    Stimulus stimulus;
    Header& header = stimulus.header;
    read(file, &header, 1, path);
    stimulus.gaps.resize(header.gaps);
    stimulus.resets.resize(header.resets);
    read(file, stimulus.gaps.data(), stimulus.gaps.size(), path);
    read(file, stimulus.resets.data(), stimulus.resets.size(), path);
    stimulus.inputs.resize(header.inputs);
    stimulus.outputs.resize(header.outputs);
    for (Input& input : stimulus.inputs) {
        read(file, &input.bytes, 1, path);
        read(file, &input.beats, 1, path);
        input.data.resize(input.beats * (input.bytes + 1));
        read(file, input.data.data(), input.data.size(), path);
    }
    for (Output& output : stimulus.outputs) {
        read(file, &output.bytes, 1, path);
        read(file, &output.most_beats, 1, path);
    }
    std::fclose(file);
    return stimulus;
}

// Stops one side, or a port of it, at random, until no other port has moved a beat for so many cycles: until each place in
// the module is taken, or until the module is empty. Ports are bits, inputs lowest.
class Stops {
  public:
    Stops(Random& random, const Stimulus& stimulus) : random_(random), header_(stimulus.header) {
        for (const Input& input : stimulus.inputs) beats_ += input.beats;
    }

    bool stopped(int64_t port) const { return stopped_ >> port & 1; }

    void observe(uint64_t moved) {
        if (stopped_) {
            idle_cycles_ = moved ? 0 : idle_cycles_ + 1;
            if (idle_cycles_ == header_.still_cycles) stopped_ = 0;
            return;
        }
        for (int64_t k = 0; header_.still_cycles && k < header_.inputs; ++k)
            if ((moved >> k & 1) && static_cast<int64_t>(random_.next() % beats_) < kStops) stop();
    }

  private:
    void stop() {
        const bool inputs = random_.next() & 1, all = random_.next() & 1;
        const int64_t count = inputs ? header_.inputs : header_.outputs;
        const uint64_t side = (uint64_t{1} << count) - 1, one = uint64_t{1} << random_.next() % count;
        stopped_ = (all ? side : one) << (inputs ? 0 : header_.inputs);
        idle_cycles_ = 0;
    }

    Random& random_;
    const Header& header_;
    int64_t beats_ = 0;
    uint64_t stopped_ = 0;
    int64_t idle_cycles_ = 0;
};

class Driver {
  public:
    Driver(VerilatedContext& context, const Stimulus& stimulus)
        : stimulus_(stimulus), header_(stimulus.header), random_(header_.seed), context_(context), top_(&context) {
        top_.aclk = 0;  // registers that start with random bits include the clock's last level
    }
    ~Driver() { top_.final(); }

    int64_t cycles() const { return cycle_; }

    void reset() {
        top_.aresetn = 0;
        ready_in_reset_ = 0;
        for (int i = 0; i < kResetCycles; ++i) {
            disturb();
            top_.s_valid = i > 0 ? random_.next() & ones(header_.inputs) : 0;  // of senders that do not see the reset
            top_.s_last = random_.next() & ones(header_.inputs);
            top_.m_ready = random_.next() & ones(header_.outputs);
            top_.eval();
            if (i > 0) ready_in_reset_ |= top_.s_ready;
            clock();
        }
        top_.aresetn = 1;
    }

    // Streams the sequences from the first on until all results are there, or for so many cycles.
    Record stream(int64_t cycles) {
        Record record{kDone, 0, stimulus_.inputs, stimulus_.outputs};
        Stops stops(random_, stimulus_);
        std::vector<int64_t> gaps = stimulus_.gaps;
        int64_t released = header_.gaps ? 0 : header_.sequences;  // sequences that may be offered
        const int64_t begin = cycle_, end = begin + cycles;
        int64_t last_progress = begin, drain_until = -1;
        const auto ended = [&record](Status status, int64_t port = 0) {
            record.status = status;
            record.port = port;
        };

        while (cycle_ < end && record.status == kDone) {
            if (released < header_.sequences && reached(record.inputs, released) && gaps[released]-- == 0) ++released;
            const uint64_t ready = offer(record, stops, released);
            top_.m_ready = ready;
            top_.eval();

            // The first cycle without the reset ends with the edge that ends the reset in the module.
            if (const uint64_t early = ready_in_reset_ | top_.s_ready; cycle_ == begin && early)
                ended(kReadyInReset, first(early));
            if (cycle_ == begin && top_.status) ended(kStatus);
            int64_t begun = 0;
            for (const Input& input : record.inputs)
                begun = std::max(begun, input.sequence + (input.offered || !input.begins));
            uint64_t moved = 0;
            for (int64_t k = 0, offset = 0; k < header_.outputs; offset += record.outputs[k++].bytes) {
                const Status status = take(record.outputs[k], k, offset, begun, ready >> k & 1, moved);
                if (status != kDone) ended(status, k);
            }
            for (int64_t k = 0; k < header_.inputs; ++k) {
                Input& input = record.inputs[k];
                if (!input.offered || !(top_.s_ready >> k & 1)) continue;
                moved |= uint64_t{1} << k;
                input.begins = input.flags() & kEnds;
                input.sequence += input.begins;
                input.offered = false;
                input.cycles.push_back(cycle_);
            }
            if (moved) last_progress = cycle_;
            stops.observe(moved);
            clock();

            if (record.status != kDone) break;
            if (done(record)) {
                int64_t last_input = begin;
                for (const Input& input : record.inputs) last_input = std::max(last_input, input.cycles.back());
                if (drain_until < 0) drain_until = 2 * cycle_ - last_input + kDrainCycles;
                if (cycle_ < drain_until) continue;
                if (top_.status != header_.status) ended(kStatus);
                break;
            }
            if (cycle_ - last_progress > header_.timeout_cycles) ended(kNoProgress);
        }
        // Without beats that were offered, but not accepted.
        for (Output& output : record.outputs) output.valid_cycles.resize(output.cycles.size());
        return record;
    }

  private:
    static uint64_t ones(int64_t count) { return (uint64_t{1} << count) - 1; }

    static int64_t first(uint64_t ports) { return __builtin_ctzll(ports); }

    static bool reached(const std::vector<Input>& inputs, int64_t sequence) {
        return std::all_of(inputs.begin(), inputs.end(), [sequence](const Input& input) {
            return input.sequence == sequence && input.begins && !input.offered;
        });
    }

    bool done(const Record& record) const {
        return std::all_of(record.inputs.begin(), record.inputs.end(), [](const Input& i) { return i.moved() == i.beats; }) &&
               std::all_of(record.outputs.begin(), record.outputs.end(), [this](const Output& output) {
                   return output.sequences == header_.sequences;
               });
    }

    // Sets the inputs; returns which outputs are ready.
    uint64_t offer(Record& record, const Stops& stops, int64_t released) {
        disturb();
        uint64_t valid = 0, last = random_.next() & ones(header_.inputs), ready = 0;
        for (int64_t k = 0, offset = 0; k < header_.inputs; offset += record.inputs[k++].bytes) {
            Input& input = record.inputs[k];
            if (!input.offered && input.moved() < input.beats && (!input.begins || input.sequence < released))
                input.offered = !stops.stopped(k) && random_.chance(header_.valid_odds);
            if (!input.offered) continue;
            std::memcpy(in_data_ + offset, input.beat(), input.bytes);
            valid |= uint64_t{1} << k;
            last = (last & ~(uint64_t{1} << k)) | uint64_t{input.flags() & kLast} << k;
        }
        for (int64_t k = 0; k < header_.outputs; ++k)
            ready |= uint64_t{!stops.stopped(header_.inputs + k) && random_.chance(header_.ready_odds)} << k;
        std::memcpy(static_cast<void*>(&top_.s_data), in_data_, IN_BYTES);
        top_.s_valid = valid;
        top_.s_last = last;
        return ready;
    }

    // Looks at an output, whose bytes begin at `offset`, and takes its beat if it is ready.
    Status take(Output& output, int64_t k, int64_t offset, int64_t begun, bool ready, uint64_t& moved) {
        const bool valid = top_.m_valid >> k & 1, last = top_.m_last >> k & 1;
        if (output.stalled && !valid) return kRetracted;
        if (!valid) return kDone;
        const uint8_t* bytes = reinterpret_cast<const uint8_t*>(&top_.m_data) + offset;
        std::vector<uint8_t>& held = output.held;
        if (output.stalled && (held.back() != last || !std::equal(held.begin(), held.end() - 1, bytes))) return kChanged;
        if (!output.stalled) {
            if (output.sequences >= begun) return kUnsolicited;
            output.valid_cycles.push_back(cycle_);
            held.assign(bytes, bytes + output.bytes);
            held.push_back(last);
        }
        output.stalled = !ready;
        if (!ready) return kDone;
        moved |= uint64_t{1} << (header_.inputs + k);
        output.cycles.push_back(cycle_);
        output.data.insert(output.data.end(), held.begin(), held.end());
        output.sequences += last;
        output.beats = last ? 0 : output.beats + 1;
        return output.beats >= output.most_beats ? kNoLast : kDone;
    }

    // No module may look at any signal of a beat while its TVALID is low.
    void disturb() {
        for (int i = 0; i < IN_BYTES; i += 8) {
            const uint64_t word = random_.next();
            std::memcpy(in_data_ + i, &word, 8);
        }
        std::memcpy(static_cast<void*>(&top_.s_data), in_data_, IN_BYTES);
    }

    void clock() {
        top_.aclk = 1;
        context_.timeInc(1);
        top_.eval();
        top_.aclk = 0;
        context_.timeInc(1);
        ++cycle_;
    }

    const Stimulus& stimulus_;
    const Header& header_;
    Random random_;
    VerilatedContext& context_;
    Vtop top_;
    int64_t cycle_ = 0;
    uint64_t ready_in_reset_ = 0;
    uint8_t in_data_[IN_BYTES + 8];
};

template <class T>
void write(std::FILE* file, const std::vector<T>& values, const char* path) {
    if (std::fwrite(values.data(), sizeof(T), values.size(), file) != values.size()) fail("write", path);
}

void write_record(std::FILE* file, const Record& record, const char* path) {
    write(file, std::vector<int64_t>{record.status, record.port}, path);
    for (const Input& input : record.inputs) {
        write(file, std::vector<int64_t>{input.moved()}, path);
        write(file, input.cycles, path);
    }
    for (const Output& output : record.outputs) {
        write(file, std::vector<int64_t>{output.sequences, static_cast<int64_t>(output.cycles.size())}, path);
        write(file, output.valid_cycles, path);
        write(file, output.cycles, path);
        write(file, output.data, path);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) fail("start without a stimulus file and a result file:", argv[0]);
    const Stimulus stimulus = read_stimulus(argv[1]);
    VerilatedContext context;
    context.randReset(2);  // registers without a reset start with random bits
    context.randSeed(static_cast<int>(1 + stimulus.header.seed % 0x7ffffffe));
    Driver driver(context, stimulus);

    std::vector<int64_t> stretches = stimulus.resets;
    stretches.push_back(kForever);
    std::vector<Record> records;
    for (const int64_t cycles : stretches) {
        driver.reset();
        records.push_back(driver.stream(cycles));
        if (records.back().status != kDone) break;
    }

    std::FILE* file = std::fopen(argv[2], "wb");
    if (!file) fail("write", argv[2]);
    write(file, std::vector<int64_t>{driver.cycles(), static_cast<int64_t>(records.size())}, argv[2]);
    for (const Record& record : records) write_record(file, record, argv[2]);
    if (std::fclose(file) != 0) fail("write", argv[2]);
    return 0;
}
