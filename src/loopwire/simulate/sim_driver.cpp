// Drives the Verilator model `Vtop` of a module with one AXI4-Stream input and one AXI4-Stream output.
//
//     simulate <stimulus file> <result file>
//
// Both files are written and read by loopwire.simulate.simulation, which explains their contents; all integers in them are
// int64, little-endian. Defined on the compiler's command line are the widths of TDATA and TKEEP in bytes, IN_BYTES, OUT_BYTES,
// IN_KEEP_BYTES and OUT_KEEP_BYTES, the latter two 0 where there is no TKEEP, and HAS_STATUS, whether the status outputs tell of
// broken framing. USER_BITS are those of s_axis_tuser, of which the lowest FRESH are not handed on, and ID_BITS those of
// s_axis_tid; 0 where there is none.
// A beat in the files is TDATA, then TKEEP.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ports are copied byte by byte");

namespace {

constexpr int kResetCycles = 4;
constexpr int kInBytes = IN_BYTES + IN_KEEP_BYTES;
constexpr int kOutBytes = OUT_BYTES + OUT_KEEP_BYTES;
constexpr int64_t kDrainCycles = 100;  // beyond the time that the last result took
constexpr int64_t kStops = 8;          // in a run, on average
constexpr int64_t kForever = int64_t{1} << 62;

enum Status : int64_t {
    kDone, kNoProgress, kRetracted, kChanged, kNoLast, kUnsolicited, kReadyInReset, kStatus, kWrongLabel
};

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
    int64_t sequences, beats, most_input_beats, most_output_beats, seed;
    int64_t valid_odds, ready_odds, last_odds;  // in 2^32
    int64_t still_cycles;                       // 0: neither side stops for long
    int64_t timeout_cycles;
    int64_t framing_error, overrun;             // what the status tells in the end, were TLAST never missing
    int64_t resets;
};

struct Stimulus {
    Header header;
    std::vector<int64_t> resets;  // cycles before each
    std::vector<int64_t> lengths, gaps, users, ids;  // of each sequence; gaps in cycles
    std::vector<uint8_t> data;
};

// What happened from one reset to the next.
struct Record {
    Status status = kDone;
    int64_t sequences = 0;  // complete results
    std::vector<int64_t> input_cycles, valid_cycles, output_cycles;
    std::vector<uint8_t> last, data;
};

Stimulus read_stimulus(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    Stimulus stimulus;
    if (!file || std::fread(&stimulus.header, sizeof(Header), 1, file) != 1) fail("read", path);
    stimulus.resets.resize(stimulus.header.resets);
    const std::vector<std::vector<int64_t>*> each = {&stimulus.lengths, &stimulus.gaps, &stimulus.users, &stimulus.ids};
    for (auto* values : each) values->resize(stimulus.header.sequences);
    stimulus.data.resize(stimulus.header.beats * kInBytes);
    if (std::fread(stimulus.resets.data(), 8, stimulus.resets.size(), file) != stimulus.resets.size() ||
        !std::all_of(each.begin(), each.end(), [file](auto* values) {
            return std::fread(values->data(), 8, values->size(), file) == values->size();
        }) ||
        std::fread(stimulus.data.data(), 1, stimulus.data.size(), file) != stimulus.data.size())
        fail("read", path);
    std::fclose(file);
    return stimulus;
}

// Stops one side or the other at random, until the side that goes on has moved no beat for so many cycles: until each
// place in the module is taken, or until the module is empty.
class Stops {
  public:
    Stops(Random& random, int64_t beats, int64_t still_cycles)
        : random_(random), beats_(beats), still_cycles_(still_cycles) {}

    bool input_stops() const { return stopped_ == kInput; }
    bool output_stops() const { return stopped_ == kOutput; }

    void observe(bool input_moves, bool output_moves) {
        if (stopped_ == kNeither) {
            if (still_cycles_ && input_moves && static_cast<int64_t>(random_.next() % beats_) < kStops) {
                stopped_ = random_.next() & 1 ? kInput : kOutput;
                idle_cycles_ = 0;
            }
        } else if (stopped_ == kInput ? output_moves : input_moves) {
            idle_cycles_ = 0;
        } else if (++idle_cycles_ == still_cycles_) {
            stopped_ = kNeither;
        }
    }

  private:
    enum Side { kNeither, kInput, kOutput };

    Random& random_;
    const int64_t beats_, still_cycles_;
    Side stopped_ = kNeither;
    int64_t idle_cycles_ = 0;
};

class Driver {
  public:
    Driver(VerilatedContext& context, const Stimulus& stimulus)
        : stimulus_(stimulus), header_(stimulus.header), random_(header_.seed), context_(context), top_(&context) {
        static_assert(sizeof(top_.s_axis_tdata) >= IN_BYTES && sizeof(top_.s_axis_tdata) < 2 * IN_BYTES + 4);
        static_assert(sizeof(top_.m_axis_tdata) >= OUT_BYTES && sizeof(top_.m_axis_tdata) < 2 * OUT_BYTES + 4);
        top_.aclk = 0;  // registers that start with random bits include the clock's last level
    }
    ~Driver() { top_.final(); }

    int64_t cycles() const { return cycle_; }

    void reset() {
        top_.aresetn = 0;
        ready_in_reset_ = false;
        for (int i = 0; i < kResetCycles; ++i) {
            disturb_input();
            top_.s_axis_tvalid = i > 0 && top_.s_axis_tlast;  // of a sender that does not see the reset
            top_.m_axis_tready = random_.chance(header_.ready_odds);
            settle();
            ready_in_reset_ |= i > 0 && top_.s_axis_tready;
            clock();
        }
        top_.aresetn = 1;
    }

    // Streams the sequences from the first on until all results are there, or for so many cycles.
    Record stream(int64_t cycles) {
        Record record;
        Stops stops(random_, header_.beats, header_.still_cycles);
        const int64_t begin = cycle_, end = begin + cycles;
        int64_t beat = 0, sequence = 0, step = 0;  // the next beat to offer, or offered now
        int64_t gap = stimulus_.gaps[0];           // cycles until a sequence is offered
        int64_t last_progress = begin, drain_until = -1;
        int64_t output_beats = 0;
        bool offered = false, stalled = false, by_last = false, by_count = false;
        uint8_t held[kOutBytes + 1];

        while (cycle_ < end) {
            if (!offered && step == 0 && gap > 0) {
                --gap;
            } else if (!offered && beat < header_.beats && !stops.input_stops() && random_.chance(header_.valid_odds)) {
                offered = true;
                const int64_t length = stimulus_.lengths[sequence];
                set_input(&stimulus_.data[beat * kInBytes]);
                top_.s_axis_tlast =
                    step + 1 == length && (length < header_.most_input_beats || random_.chance(header_.last_odds));
                if (step == 0) set_sideband(stimulus_.users[sequence], stimulus_.ids[sequence]);
                else disturb_sideband();
            }
            if (!offered) disturb_input();
            top_.s_axis_tvalid = offered;
            top_.m_axis_tready = !stops.output_stops() && random_.chance(header_.ready_odds);
            settle();

            // The first cycle without the reset ends with the edge that ends the reset in the module.
            if (cycle_ == begin && (ready_in_reset_ || top_.s_axis_tready)) return ended(record, kReadyInReset);
            const bool input_accepted = offered && top_.s_axis_tready;
            const bool output_accepted = top_.m_axis_tvalid && top_.m_axis_tready;
            const int64_t begun = sequence + (step > 0 || offered);

            if (stalled && !top_.m_axis_tvalid) return ended(record, kRetracted);
            if (top_.m_axis_tvalid) {
                uint8_t now[kOutBytes + 1];
                std::memcpy(now, static_cast<const void*>(&top_.m_axis_tdata), OUT_BYTES);
#if OUT_KEEP_BYTES
                std::memcpy(now + OUT_BYTES, static_cast<const void*>(&top_.m_axis_tkeep), OUT_KEEP_BYTES);
#endif
                now[kOutBytes] = top_.m_axis_tlast;
                if (record.sequences < header_.sequences && !has_label(record.sequences)) return ended(record, kWrongLabel);
                if (stalled && std::memcmp(now, held, sizeof now) != 0) return ended(record, kChanged);
                if (!stalled) {
                    if (record.sequences >= begun) return ended(record, kUnsolicited);
                    record.valid_cycles.push_back(cycle_);
                    std::memcpy(held, now, sizeof now);
                }
            }
            stalled = top_.m_axis_tvalid && !output_accepted;
            if (output_accepted) {
                record.output_cycles.push_back(cycle_);
                record.data.insert(record.data.end(), held, held + kOutBytes);
                record.last.push_back(held[kOutBytes]);
                if (held[kOutBytes]) {
                    ++record.sequences;
                    output_beats = 0;
                } else if (++output_beats >= header_.most_output_beats) {
                    return ended(record, kNoLast);
                }
            }
            if (cycle_ == begin && !status_is(false, false)) return ended(record, kStatus);
            if (input_accepted) {
                record.input_cycles.push_back(cycle_);
                offered = false;
                ++beat;
                if (++step == stimulus_.lengths[sequence]) {
                    by_last |= top_.s_axis_tlast;
                    by_count |= !top_.s_axis_tlast;
                    step = 0;
                    if (++sequence < header_.sequences) gap = stimulus_.gaps[sequence];
                }
            }
            if (input_accepted || output_accepted) last_progress = cycle_;
            stops.observe(input_accepted, output_accepted);
            clock();

            if (record.sequences == header_.sequences && beat == header_.beats) {
                if (drain_until < 0) drain_until = 2 * cycle_ - record.input_cycles.back() + kDrainCycles;
                if (cycle_ >= drain_until) {
                    const bool right = status_is(header_.framing_error, header_.overrun || (by_last && by_count));
                    return ended(record, right ? kDone : kStatus);
                }
            } else if (cycle_ - last_progress > header_.timeout_cycles) {
                return ended(record, kNoProgress);
            }
        }
        return ended(record, kDone);
    }

  private:
    void settle() { top_.eval(); }

    void clock() {
        top_.aclk = 1;
        context_.timeInc(1);
        top_.eval();
        top_.aclk = 0;
        context_.timeInc(1);
        ++cycle_;
    }

    bool status_is(bool framing_error, bool overrun) {
#if HAS_STATUS
        return top_.status_framing_error == framing_error && top_.status_overrun == overrun;
#else
        return true;
#endif
    }

    void set_sideband([[maybe_unused]] int64_t user, [[maybe_unused]] int64_t id) {
#if USER_BITS
        top_.s_axis_tuser = user;
#endif
#if ID_BITS
        top_.s_axis_tid = id;
#endif
    }

    // No module may look at TUSER and TID but with a sequence's first beat.
    void disturb_sideband() {
        if (USER_BITS || ID_BITS) {
            const int64_t noise = random_.next();
            set_sideband(noise & ((int64_t{1} << USER_BITS) - 1), noise >> 40 & ((int64_t{1} << ID_BITS) - 1));
        }
    }

    // Says whether the result that is offered has the label of this sequence.
    bool has_label([[maybe_unused]] int64_t sequence) {
        bool right = true;
#if USER_BITS > FRESH
        right &= static_cast<int64_t>(top_.m_axis_tuser) == stimulus_.users[sequence] >> FRESH;
#endif
#if ID_BITS
        right &= static_cast<int64_t>(top_.m_axis_tid) == stimulus_.ids[sequence];
#endif
        return right;
    }

    void set_input(const uint8_t* beat) {
        std::memcpy(static_cast<void*>(&top_.s_axis_tdata), beat, IN_BYTES);
#if IN_KEEP_BYTES
        std::memcpy(static_cast<void*>(&top_.s_axis_tkeep), beat + IN_BYTES, IN_KEEP_BYTES);
#endif
    }

    // No module may look at any signal of the beat while TVALID is low.
    void disturb_input() {
        uint8_t noise[kInBytes + 8];
        for (int i = 0; i < kInBytes; i += 8) {
            const uint64_t word = random_.next();
            std::memcpy(noise + i, &word, 8);
        }
        if (IN_KEEP_BYTES && IN_BYTES % 8) noise[kInBytes - 1] &= (1 << IN_BYTES % 8) - 1;  // a bit for each byte of TDATA
        set_input(noise);
        top_.s_axis_tlast = random_.next() & 1;
        disturb_sideband();
    }

    static Record ended(Record& record, Status status) {
        record.status = status;
        record.valid_cycles.resize(record.output_cycles.size());  // without a beat that was offered, but not accepted
        return std::move(record);
    }

    const Stimulus& stimulus_;
    const Header& header_;
    Random random_;
    VerilatedContext& context_;
    Vtop top_;
    int64_t cycle_ = 0;
    bool ready_in_reset_ = false;
};

template <class T>
void write(std::FILE* file, const std::vector<T>& values, const char* path) {
    if (std::fwrite(values.data(), sizeof(T), values.size(), file) != values.size()) fail("write", path);
}

void write_record(std::FILE* file, const Record& record, const char* path) {
    const std::vector<int64_t> counts = {record.status, record.sequences,
                                         static_cast<int64_t>(record.input_cycles.size()),
                                         static_cast<int64_t>(record.output_cycles.size())};
    write(file, counts, path);
    write(file, record.input_cycles, path);
    write(file, record.valid_cycles, path);
    write(file, record.output_cycles, path);
    write(file, record.last, path);
    write(file, record.data, path);
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
