// Drives the Verilator model `Vtop` of a module with several AXI4-Streams, behind a module that puts their signals together:
// s_data, s_valid, s_ready, s_last and m_data, m_valid, m_ready, m_last hold those of all ports, the first lowest.
//
//     simulate <stimulus file> <result file>
//
// Both files are written and read by loopwire.simulate.network_simulation; all integers in them are int64, little-endian. A beat is
// TDATA, then TKEEP, in whole bytes, then TLAST in a byte. Defined on the compiler's command line are INPUTS and OUTPUTS, the
// number of ports, and IN_BYTES and OUT_BYTES, all of their beats' bytes but for TLAST.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr int kResetCycles = 4;
constexpr int64_t kForever = int64_t{1} << 62;

enum Status : int64_t { kDone, kNoProgress, kRetracted, kChanged, kUnsolicited, kReadyInReset };

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
    bool chance(int64_t odds) { return static_cast<int64_t>(next() >> 32) < odds; }

  private:
    uint64_t state_;
};

struct Header {
    int64_t seed, valid_odds, ready_odds, timeout_cycles, drain_cycles, resets;
};

// What goes through one port, and when.
struct Port {
    int64_t bytes = 0, beats = 0;  // of a beat without TLAST; to be sent, or due
    std::vector<uint8_t> data;     // with TLAST
    std::vector<int64_t> valid_cycles, cycles;
    bool offered = false, stalled = false;
    std::vector<uint8_t> held;

    int64_t moved() const { return static_cast<int64_t>(cycles.size()); }
    void begin() {
        valid_cycles.clear();
        cycles.clear();
        offered = stalled = false;
    }
};

std::vector<int64_t> read_integers(std::FILE* file, int64_t count, const char* path) {
    std::vector<int64_t> values(count);
    if (std::fread(values.data(), 8, values.size(), file) != values.size()) fail("read", path);
    return values;
}

template <class T>
void write(std::FILE* file, const std::vector<T>& values, const char* path) {
    if (std::fwrite(values.data(), sizeof(T), values.size(), file) != values.size()) fail("write", path);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) fail("start without a stimulus file and a result file:", argv[0]);
    std::FILE* file = std::fopen(argv[1], "rb");
    if (!file) fail("read", argv[1]);
    const auto numbers = read_integers(file, sizeof(Header) / 8, argv[1]);
    Header header;
    std::memcpy(&header, numbers.data(), sizeof header);
    auto stretches = read_integers(file, header.resets, argv[1]);
    stretches.push_back(kForever);
    std::vector<Port> inputs(INPUTS), outputs(OUTPUTS);
    for (Port& port : inputs) {
        const auto sizes = read_integers(file, 2, argv[1]);
        port.bytes = sizes[0];
        port.beats = sizes[1];
        port.data.resize(port.beats * (port.bytes + 1));
        if (std::fread(port.data.data(), 1, port.data.size(), file) != port.data.size()) fail("read", argv[1]);
    }
    for (Port& port : outputs) {
        const auto sizes = read_integers(file, 2, argv[1]);
        port.bytes = sizes[0];
        port.beats = sizes[1];
    }
    std::fclose(file);

    VerilatedContext context;
    context.randReset(2);  // registers without a reset start with random bits
    context.randSeed(static_cast<int>(1 + header.seed % 0x7ffffffe));
    Vtop top(&context);
    Random random(header.seed);
    int64_t cycle = 0;
    top.aclk = 0;

    uint8_t in_data[IN_BYTES + 8], out_data[OUT_BYTES + 8];
    const auto disturb = [&] {
        for (int i = 0; i < IN_BYTES; ++i) in_data[i] = static_cast<uint8_t>(random.next());
    };
    const auto clock = [&] {
        top.aclk = 1;
        context.timeInc(1);
        top.eval();
        top.aclk = 0;
        context.timeInc(1);
        ++cycle;
    };

    std::FILE* result = std::fopen(argv[2], "wb");
    if (!result) fail("write", argv[2]);
    Status status = kDone;
    for (std::size_t stretch = 0; stretch < stretches.size() && status == kDone; ++stretch) {
        bool ready_in_reset = false;
        top.aresetn = 0;
        for (int i = 0; i < kResetCycles; ++i) {
            disturb();
            std::memcpy(static_cast<void*>(&top.s_data), in_data, IN_BYTES);
            top.s_valid = i > 0 ? static_cast<uint32_t>(random.next()) & ((1u << INPUTS) - 1) : 0;
            top.s_last = static_cast<uint32_t>(random.next()) & ((1u << INPUTS) - 1);
            top.m_ready = static_cast<uint32_t>(random.next()) & ((1u << OUTPUTS) - 1);
            top.eval();
            ready_in_reset |= i > 0 && top.s_ready;
            clock();
        }
        top.aresetn = 1;
        for (Port& port : inputs) port.begin();
        for (Port& port : outputs) {
            port.begin();
            port.data.clear();
        }
        const int64_t begin = cycle, end = begin + stretches[stretch];
        int64_t last_progress = begin, drained = 0;
        while (cycle < end && status == kDone) {
            disturb();
            uint32_t valid = 0, last = static_cast<uint32_t>(random.next()), ready = 0;
            int64_t offset = 0;
            for (int k = 0; k < INPUTS; ++k) {
                Port& port = inputs[k];
                if (!port.offered && port.moved() < port.beats) port.offered = random.chance(header.valid_odds);
                if (port.offered) {
                    const uint8_t* beat = &port.data[port.moved() * (port.bytes + 1)];
                    std::memcpy(in_data + offset, beat, port.bytes);
                    valid |= 1u << k;
                    last = (last & ~(1u << k)) | (beat[port.bytes] ? 1u << k : 0);
                }
                offset += port.bytes;
            }
            for (int k = 0; k < OUTPUTS; ++k) ready |= random.chance(header.ready_odds) ? 1u << k : 0;
            std::memcpy(static_cast<void*>(&top.s_data), in_data, IN_BYTES);
            top.s_valid = valid;
            top.s_last = last & ((1u << INPUTS) - 1);
            top.m_ready = ready;
            top.eval();
            if (cycle == begin && (ready_in_reset || top.s_ready)) status = kReadyInReset;
            std::memcpy(out_data, static_cast<const void*>(&top.m_data), OUT_BYTES);
            bool moves = false;
            for (int k = 0; k < INPUTS; ++k)
                if (inputs[k].offered && (top.s_ready >> k & 1)) {
                    inputs[k].cycles.push_back(cycle);
                    inputs[k].offered = false;
                    moves = true;
                }
            offset = 0;
            for (int k = 0; k < OUTPUTS; ++k) {
                Port& port = outputs[k];
                const bool is_valid = top.m_valid >> k & 1;
                std::vector<uint8_t> now(out_data + offset, out_data + offset + port.bytes);
                now.push_back(top.m_last >> k & 1);
                offset += port.bytes;
                if (port.stalled && !is_valid) status = kRetracted;
                if (port.stalled && is_valid && now != port.held) status = kChanged;
                if (is_valid && !port.stalled) {
                    port.valid_cycles.push_back(cycle);
                    port.held = now;
                    if (port.moved() == port.beats) status = kUnsolicited;
                }
                port.stalled = is_valid && !(ready >> k & 1);
                if (is_valid && !port.stalled) {
                    port.cycles.push_back(cycle);
                    port.data.insert(port.data.end(), now.begin(), now.end());
                    moves = true;
                }
            }
            if (moves) last_progress = cycle;
            clock();
            bool done = true;
            for (const Port& port : inputs) done &= port.moved() == port.beats;
            for (const Port& port : outputs) done &= port.moved() == port.beats;
            if (done && ++drained > header.drain_cycles) break;
            if (!done && cycle - last_progress > header.timeout_cycles) status = kNoProgress;
        }
        write(result, std::vector<int64_t>{status}, argv[2]);
        for (const Port& port : inputs) {
            write(result, std::vector<int64_t>{port.moved()}, argv[2]);
            write(result, port.cycles, argv[2]);
        }
        for (Port& port : outputs) {
            port.valid_cycles.resize(port.cycles.size());
            write(result, std::vector<int64_t>{port.moved()}, argv[2]);
            write(result, port.valid_cycles, argv[2]);
            write(result, port.data, argv[2]);
        }
    }
    top.final();
    if (std::fclose(result) != 0) fail("write", argv[2]);
    return 0;
}
