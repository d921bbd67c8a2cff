// A small vector machine that runs programs made from graphs (vector_program.py) on blocks of LANES sequences.
//
// Every number of a tensor is a row of LANES integers, one of each sequence, so that the inner loops run over sequences and
// vectorise. Rows are of int32 or of int64 ("wide"), as the program's interval analysis chose: no result ever overflows its
// row, so everything is exact. Compiled once a machine; another model or another precision is only another program.
//
// Compile with -fwrapv: integers are added modulo 2^32, and only a final sum has to fit.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 32;
constexpr int TILE_ROWS = 6;  // rows of a matrix that are multiplied at once; vector_program.py packs weights for it
constexpr int TILE_VECTORS = 2;

enum class Opcode : int64_t {
    LOAD, STORE, SCAN, COPY, CARRY, STACK, REVERSE, TRANSPOSE, ADD, SUBTRACT, MULTIPLY, MULTIPLY_ADD, MAX, MIN, SUM,
    LARGEST, CAST, LOOKUP, MATVEC_INT16, MATVEC_INT32, MATVEC_FLOAT64, MATVEC_INT64, MATVEC_COMPUTED,
    GREATER, WHERE, ROW,
};

enum class Space : int64_t { WORKSPACE, CONSTANTS };  // rows of LANES numbers | one number for all lanes

enum class Overflow : int64_t { NONE, WRAP, CLAMP, ZERO };

// Where a tensor lies: its first byte, bytes added in each step of the innermost scan, and elements from one number to the
// next (0 repeats a scalar).
struct Operand {
    Space space;
    int64_t offset, step, stride;
};

struct Instruction {
    Opcode opcode;
    int64_t count;  // rows of the result
    int64_t wide, wide_result;
    Operand result, a, b, c, scratch;
    int64_t parameters[8];
};
static_assert(sizeof(Instruction) == 32 * sizeof(int64_t), "one row of the program's array");

struct Program {
    const Instruction* instructions;
    int64_t size;
    const char* constants;
    int64_t workspace_bytes;
};

struct Batch {
    const int64_t* input;
    int64_t input_size;
    int64_t* output;
    int64_t output_size;
    const int64_t* lengths;  // null where every sequence is whole
    int64_t sequences;
};

template <class T>
T wrapped_shift(T value, int64_t bits) {
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(value) << bits);
}

// 256 bits of numbers that are computed on at once.
template <class T>
struct Vector {
    typedef T Type __attribute__((vector_size(32)));
    static constexpr int WIDTH = 32 / sizeof(T);
};

template <class T>
typename Vector<T>::Type load_vector(const T* p) {
    typename Vector<T>::Type v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <class To, class From>
To bit_cast(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// Kernels of the product of a constant matrix with a vector: the number type of the machine's rows and that of the product,
// what a row of the vector becomes, and how products with one weight are accumulated and made rows again.

// Two columns at once: the vector's numbers lie as pairs of 16 bits in 32.
struct Int16Kernel {
    using Row = int32_t;
    using Number = int32_t;
    using Numbers = Vector<Number>::Type;
    static constexpr int COLUMNS = 2;
    static void pack(Number* packed, const Row* first, const Row* second) {
        for (int l = 0; l < LANES; ++l) packed[l] = (first[l] & 0xffff) | (second ? wrapped_shift(second[l], 16) : 0);
    }
    static Numbers accumulate(Numbers sum, Numbers x, Number weight) {
#if defined(__AVX2__)
        return sum + (Numbers)_mm256_madd_epi16((__m256i)x, _mm256_set1_epi32(weight));
#else
        return sum + ((x << 16) >> 16) * static_cast<int16_t>(weight) + (x >> 16) * (weight >> 16);
#endif
    }
    static Numbers unpack(Numbers sum) { return sum; }
};

template <class T>
struct IntegerKernel {
    using Row = T;
    using Number = T;
    using Numbers = typename Vector<T>::Type;
    static constexpr int COLUMNS = 1;
    static void pack(Number* packed, const Row* first, const Row*) { std::memcpy(packed, first, LANES * sizeof(T)); }
    static Numbers accumulate(Numbers sum, Numbers x, Number weight) { return sum + x * weight; }
    static Numbers unpack(Numbers sum) { return sum; }
};

// Integers in float64, exact because no partial sum reaches 2^51; below that, adding 1.5 · 2^52 puts an integer in the
// low bits of the mantissa.
struct Float64Kernel {
    using Row = int64_t;
    using Number = double;
    using Numbers = Vector<Number>::Type;
    static constexpr int COLUMNS = 1;
    static constexpr double MAGIC = 0x1.8p52;
    static constexpr int64_t MAGIC_BITS = 0x4338000000000000;
    static void pack(Number* packed, const Row* first, const Row*) {
        for (int l = 0; l < LANES; ++l) packed[l] = bit_cast<double>(first[l] + MAGIC_BITS) - MAGIC;
    }
    static Numbers accumulate(Numbers sum, Numbers x, Number weight) { return sum + x * weight; }
    static Vector<Row>::Type unpack(Numbers sum) { return bit_cast<Vector<Row>::Type>(sum + MAGIC) - MAGIC_BITS; }
};

// One thread's state: the workspace, and which sequences are in its lanes.
class Machine {
  public:
    Machine(const Program& program, const Batch& batch)
        : program_(program), batch_(batch), storage_(program.workspace_bytes + ALIGNMENT) {
        const auto address = reinterpret_cast<uintptr_t>(storage_.data());
        workspace_ = storage_.data() + (ALIGNMENT - address % ALIGNMENT);
    }

    // Runs the program on the sequences `first` and following; says whether all inputs lay in their type's range.
    bool run(int64_t first) {
        first_ = first;
        used_ = static_cast<int>(std::min<int64_t>(LANES, batch_.sequences - first));
        ends_ = Ends();
        if (batch_.lengths) ends_.longest = 0;
        for (int l = 0; batch_.lengths && l < used_; ++l) {
            ends_.lengths[l] = batch_.lengths[first + l];
            ends_.shortest = std::min(ends_.shortest, ends_.lengths[l]);
            ends_.longest = std::max(ends_.longest, ends_.lengths[l]);
        }
        in_range_ = true;
        execute(0, program_.size, 0);
        return in_range_;
    }

  private:
    static constexpr int ALIGNMENT = 64;

    const Program& program_;
    const Batch& batch_;
    std::vector<char> storage_;
    char* workspace_;
    int64_t first_ = 0;
    int used_ = 0;
    bool in_range_ = true;

    // After how many steps the sequence of each lane ends.
    struct Ends {
        int64_t lengths[LANES], shortest = INT64_MAX, longest = INT64_MAX;
        Ends() { std::fill_n(lengths, LANES, INT64_MAX); }
    };
    Ends ends_;

    template <class T>
    T* rows(const Operand& operand, int64_t t) {
        return reinterpret_cast<T*>(workspace_ + operand.offset + t * operand.step);
    }

    template <class T>
    const T* constants(const Operand& operand, int64_t t) const {
        return reinterpret_cast<const T*>(program_.constants + operand.offset + t * operand.step);
    }

    // Reads an operand row by row; a constant is repeated in all lanes.
    template <class T>
    class Reader {
      public:
        Reader(Machine& machine, const Operand& operand, int64_t t)
            : rows_(operand.space == Space::WORKSPACE ? machine.rows<T>(operand, t) : nullptr),
              constants_(operand.space == Space::CONSTANTS ? machine.constants<T>(operand, t) : nullptr),
              stride_(operand.stride) {}
        const T* operator()(int64_t element) {
            if (rows_) return rows_ + element * stride_ * LANES;
            std::fill_n(repeated_, LANES, constants_[element * stride_]);
            return repeated_;
        }

      private:
        const T* rows_;
        const T* constants_;
        int64_t stride_;
        alignas(ALIGNMENT) T repeated_[LANES];
    };

    void execute(int64_t begin, int64_t end, int64_t t) {
        for (int64_t k = begin; k < end; ++k) {
            const Instruction& i = program_.instructions[k];
            if (i.opcode == Opcode::SCAN) {
                const int64_t body_end = i.parameters[0], length = i.parameters[1];
                const Ends ends = ends_;
                if (i.parameters[2]) ends_ = Ends();  // all steps, even of short sequences
                for (int64_t step = 0; step < std::min(length, ends_.longest); ++step) execute(k + 1, body_end, step);
                for (int64_t step = std::min(length, ends_.longest); step < length; ++step) stack_zeros(k + 1, body_end, step);
                ends_ = ends;
                k = body_end - 1;
            } else if (i.wide) {
                execute_one<int64_t>(i, t);
            } else {
                execute_one<int32_t>(i, t);
            }
        }
    }

    template <class T>
    void execute_one(const Instruction& i, int64_t t) {
        const int64_t* p = i.parameters;
        switch (i.opcode) {
            case Opcode::LOAD: return load<T>(i);
            case Opcode::STORE: return store<T>(i, t);
            case Opcode::SCAN: return;
            case Opcode::COPY: return unary<T, T>(i, t, [](T a) { return a; });
            case Opcode::CARRY: return carry<T>(i, t);
            case Opcode::STACK: return stack<T>(i, t);
            case Opcode::REVERSE: return reverse<T>(i, t);
            case Opcode::TRANSPOSE: return transpose<T>(i, t);
            case Opcode::ADD:
                return binary<T>(i, t, [=](T a, T b) { return wrapped_shift(a, p[0]) + wrapped_shift(b, p[1]); });
            case Opcode::SUBTRACT:
                return binary<T>(i, t, [=](T a, T b) { return wrapped_shift(a, p[0]) - wrapped_shift(b, p[1]); });
            case Opcode::MULTIPLY: return binary<T>(i, t, [](T a, T b) { return a * b; });
            case Opcode::MULTIPLY_ADD: return multiply_add<T>(i, t);
            case Opcode::MAX:
                return binary<T>(i, t, [=](T a, T b) { return std::max(wrapped_shift(a, p[0]), wrapped_shift(b, p[1])); });
            case Opcode::MIN:
                return binary<T>(i, t, [=](T a, T b) { return std::min(wrapped_shift(a, p[0]), wrapped_shift(b, p[1])); });
            case Opcode::SUM: return reduce<T>(i, t, [](T a, T b) { return a + b; });
            case Opcode::LARGEST: return reduce<T>(i, t, [](T a, T b) { return std::max(a, b); });
            case Opcode::CAST: return i.wide_result ? cast<T, int64_t>(i, t) : cast<T, int32_t>(i, t);
            case Opcode::LOOKUP: return i.wide_result ? lookup<T, int64_t>(i, t) : lookup<T, int32_t>(i, t);
            case Opcode::MATVEC_INT16: return matvec<Int16Kernel>(i, t);
            case Opcode::MATVEC_INT32: return matvec<IntegerKernel<int32_t>>(i, t);
            case Opcode::MATVEC_FLOAT64: return matvec<Float64Kernel>(i, t);
            case Opcode::MATVEC_INT64: return matvec<IntegerKernel<int64_t>>(i, t);
            case Opcode::MATVEC_COMPUTED: return matvec_computed<T>(i, t);
            case Opcode::GREATER:
                return binary<T>(i, t, [=](T a, T b) { return wrapped_shift(a, p[0]) > wrapped_shift(b, p[1]) ? 1 : 0; });
            case Opcode::WHERE: return where<T>(i, t);
            case Opcode::ROW: return row<T>(i, t);
        }
    }

    template <class T>
    void load(const Instruction& i) {
        const int64_t low = i.parameters[0], high = i.parameters[1], offset = i.parameters[2];
        T* result = rows<T>(i.result, 0);
        bool inside = true;
        for (int64_t e = 0; e < i.count; ++e)
            for (int l = 0; l < LANES; ++l) {
                const int64_t x = l < used_ ? batch_.input[(first_ + l) * batch_.input_size + offset + e] : 0;
                inside &= low <= x && x <= high;
                result[e * LANES + l] = static_cast<T>(x);
            }
        in_range_ = in_range_ && inside;
    }

    template <class T>
    void store(const Instruction& i, int64_t t) {
        Reader<T> a(*this, i.a, t);
        for (int64_t e = 0; e < i.count; ++e) {
            const T* row = a(e);
            for (int l = 0; l < used_; ++l)
                batch_.output[(first_ + l) * batch_.output_size + i.parameters[0] + e] = row[l];
        }
    }

    template <class T, class Result, class Function>
    void unary(const Instruction& i, int64_t t, Function function) {
        Reader<T> a(*this, i.a, t);
        Result* __restrict result = rows<Result>(i.result, t);
        for (int64_t e = 0; e < i.count; ++e, result += LANES) {
            const T* x = a(e);
            for (int l = 0; l < LANES; ++l) result[l] = static_cast<Result>(function(x[l]));
        }
    }

    template <class T, class Function>
    void binary(const Instruction& i, int64_t t, Function function) {
        Reader<T> a(*this, i.a, t), b(*this, i.b, t);
        T* __restrict result = rows<T>(i.result, t);
        for (int64_t e = 0; e < i.count; ++e, result += LANES) {
            const T *x = a(e), *y = b(e);
            for (int l = 0; l < LANES; ++l) result[l] = function(x[l], y[l]);
        }
    }

    // (a · b) << p0, plus c << p1
    template <class T>
    void multiply_add(const Instruction& i, int64_t t) {
        const int64_t shift = i.parameters[0], shift_c = i.parameters[1];
        Reader<T> a(*this, i.a, t), b(*this, i.b, t), c(*this, i.c, t);
        T* __restrict result = rows<T>(i.result, t);
        for (int64_t e = 0; e < i.count; ++e, result += LANES) {
            const T *x = a(e), *y = b(e), *z = c(e);
            for (int l = 0; l < LANES; ++l) result[l] = wrapped_shift(x[l] * y[l], shift) + wrapped_shift(z[l], shift_c);
        }
    }

    // b << p0 where a is 1, else c << p1
    template <class T>
    void where(const Instruction& i, int64_t t) {
        const int64_t shift = i.parameters[0], shift_c = i.parameters[1];
        Reader<T> a(*this, i.a, t), b(*this, i.b, t), c(*this, i.c, t);
        T* __restrict result = rows<T>(i.result, t);
        for (int64_t e = 0; e < i.count; ++e, result += LANES) {
            const T *condition = a(e), *y = b(e), *z = c(e);
            for (int l = 0; l < LANES; ++l)
                result[l] = condition[l] ? wrapped_shift(y[l], shift) : wrapped_shift(z[l], shift_c);
        }
    }

    // Row a of the p0 rows of p1 numbers that b holds; zeros where there is none.
    template <class T>
    void row(const Instruction& i, int64_t t) {
        const int64_t count = i.parameters[0], columns = i.parameters[1];
        const T* table = constants<T>(i.b, 0);
        Reader<T> a(*this, i.a, t);
        const T* index = a(0);
        T* __restrict result = rows<T>(i.result, t);
        for (int64_t e = 0; e < i.count; ++e, result += LANES)
            for (int l = 0; l < LANES; ++l) result[l] = index[l] < count ? table[index[l] * columns + e] : 0;
    }

    // The next state, in the lanes whose sequence has not ended.
    template <class T>
    void carry(const Instruction& i, int64_t t) {
        if (t < ends_.shortest) return unary<T, T>(i, t, [](T a) { return a; });
        Reader<T> a(*this, i.a, t);
        T* result = rows<T>(i.result, 0);
        for (int64_t e = 0; e < i.count; ++e, result += LANES) {
            const T* x = a(e);
            for (int l = 0; l < LANES; ++l) result[l] = t < ends_.lengths[l] ? x[l] : result[l];
        }
    }

    // This step's part of a stacked result; zero in the lanes whose sequence has ended.
    template <class T>
    void stack(const Instruction& i, int64_t t) {
        if (t < ends_.shortest) return unary<T, T>(i, t, [](T a) { return a; });
        Reader<T> a(*this, i.a, t);
        T* result = rows<T>(i.result, t);
        for (int64_t e = 0; e < i.count; ++e, result += LANES) {
            const T* x = a(e);
            for (int l = 0; l < LANES; ++l) result[l] = t < ends_.lengths[l] ? x[l] : 0;
        }
    }

    void stack_zeros(int64_t begin, int64_t end, int64_t t) {
        for (int64_t k = begin; k < end; ++k) {
            const Instruction& i = program_.instructions[k];
            if (i.opcode == Opcode::SCAN) k = i.parameters[0] - 1;
            if (i.opcode == Opcode::STACK)
                std::memset(rows<char>(i.result, t), 0, i.count * LANES * (i.wide ? sizeof(int64_t) : sizeof(int32_t)));
        }
    }

    // p0 steps of p1 elements each: the first `lengths` of them (all where p2 is 1) in reverse order, the others as they are.
    template <class T>
    void reverse(const Instruction& i, int64_t t) {
        const int64_t steps = i.parameters[0], size = i.parameters[1];
        const T* a = rows<T>(i.a, t);
        T* result = rows<T>(i.result, t);
        for (int64_t step = 0; step < steps; ++step)
            for (int l = 0; l < LANES; ++l) {
                const int64_t length = i.parameters[2] ? steps : std::min(ends_.lengths[l], steps);
                const int64_t from = step < length ? length - 1 - step : step;
                for (int64_t e = 0; e < size; ++e)
                    result[(step * size + e) * LANES + l] = a[(from * size + e) * LANES + l];
            }
    }

    // The matrix a of p0 rows turned into its transpose, both in row-major order.
    template <class T>
    void transpose(const Instruction& i, int64_t t) {
        const int64_t from_rows = i.parameters[0], columns = i.count / from_rows;
        Reader<T> a(*this, i.a, t);
        T* result = rows<T>(i.result, t);
        for (int64_t column = 0; column < columns; ++column)
            for (int64_t row = 0; row < from_rows; ++row, result += LANES)
                std::copy_n(a(row * columns + column), LANES, result);
    }

    template <class T, class Function>
    void reduce(const Instruction& i, int64_t t, Function function) {
        Reader<T> a(*this, i.a, t);
        T* __restrict result = rows<T>(i.result, t);
        std::copy_n(a(0), LANES, result);
        for (int64_t e = 1; e < i.parameters[0]; ++e) {
            const T* x = a(e);
            for (int l = 0; l < LANES; ++l) result[l] = function(result[l], x[l]);
        }
    }

    // Drops p0 bits (adds -p0 where negative) after adding p1, p2 where negative and p3 where the floor is odd: with the
    // right three numbers this is any rounding mode. Then the overflow mode p4, with the type's range p5…p6 or width p7.
    template <class T, class Result>
    void cast(const Instruction& i, int64_t t) {
        const int64_t* p = i.parameters;
        const T low = static_cast<T>(p[5]), high = static_cast<T>(p[6]);
        switch (static_cast<Overflow>(p[4])) {
            case Overflow::NONE: return rounded<T, Result>(i, t, [](T x) { return x; });
            case Overflow::WRAP: {
                const T mask = static_cast<T>(p[7] >= 64 ? -1 : wrapped_shift<int64_t>(1, p[7]) - 1);
                return rounded<T, Result>(i, t, [=](T x) { return ((x - low) & mask) + low; });
            }
            case Overflow::CLAMP: return rounded<T, Result>(i, t, [=](T x) { return std::min(std::max(x, low), high); });
            case Overflow::ZERO: return rounded<T, Result>(i, t, [=](T x) { return low <= x && x <= high ? x : T{0}; });
        }
    }

    template <class T, class Result, class Function>
    void rounded(const Instruction& i, int64_t t, Function overflow) {
        const int64_t dropped = i.parameters[0];
        const T always = static_cast<T>(i.parameters[1]), negative = static_cast<T>(i.parameters[2]);
        const T odd = static_cast<T>(i.parameters[3]);
        if (dropped <= 0) return unary<T, Result>(i, t, [=](T a) { return overflow(wrapped_shift(a, -dropped)); });
        if (!negative && !odd) return unary<T, Result>(i, t, [=](T a) { return overflow((a + always) >> dropped); });
        return unary<T, Result>(i, t, [=](T a) {
            const T up = always + ((a < 0 ? T{-1} : T{0}) & negative) + ((a >> dropped) & odd);
            return overflow((a + up) >> dropped);
        });
    }

    // The table b at (the operand, limited to p0…p1, less p0) >> p2
    template <class T, class Result>
    void lookup(const Instruction& i, int64_t t) {
        const T low = static_cast<T>(i.parameters[0]), high = static_cast<T>(i.parameters[1]);
        const int64_t dropped = i.parameters[2];
        const Result* table = constants<Result>(i.b, 0);
        Reader<T> a(*this, i.a, t);
        Result* __restrict result = rows<Result>(i.result, t);
        for (int64_t e = 0; e < i.count; ++e, result += LANES) {
            const T* x = a(e);
            alignas(ALIGNMENT) int32_t index[LANES];
            for (int l = 0; l < LANES; ++l)
                index[l] = static_cast<int32_t>((std::min(std::max(x[l], low), high) - low) >> dropped);
            gather(table, index, result);
        }
    }

    static void gather(const int64_t* table, const int32_t* index, int64_t* result) {
        for (int l = 0; l < LANES; ++l) result[l] = table[index[l]];
    }

    static void gather(const int32_t* table, const int32_t* index, int32_t* result) {
#if defined(__AVX2__)
        for (int l = 0; l < LANES; l += Vector<int32_t>::WIDTH) {
            const auto found = _mm256_i32gather_epi32(table, (__m256i)load_vector(index + l), sizeof *table);
            std::memcpy(result + l, &found, sizeof found);
        }
#else
        for (int l = 0; l < LANES; ++l) result[l] = table[index[l]];
#endif
    }

    // Matrix a (count, p0), another one in each lane, times vector b.
    template <class T>
    void matvec_computed(const Instruction& i, int64_t t) {
        const int64_t columns = i.parameters[0];
        Reader<T> a(*this, i.a, t), b(*this, i.b, t);
        T* __restrict result = rows<T>(i.result, t);
        for (int64_t row = 0; row < i.count; ++row, result += LANES) {
            std::fill_n(result, LANES, T{0});
            for (int64_t column = 0; column < columns; ++column) {
                const T *weight = a(row * columns + column), *x = b(column);
                for (int l = 0; l < LANES; ++l) result[l] += weight[l] * x[l];
            }
        }
    }

    // (constant matrix a (count, p0) times vector b) << p1, plus c << p2 where p3 is set. The matrix is packed in tiles of
    // TILE_ROWS rows, column by column.
    template <class Kernel>
    void matvec(const Instruction& i, int64_t t) {
        using Number = typename Kernel::Number;
        const int64_t columns = i.parameters[0], packed_columns = (columns + Kernel::COLUMNS - 1) / Kernel::COLUMNS;
        Number* packed = rows<Number>(i.scratch, 0);
        Reader<typename Kernel::Row> x(*this, i.b, t), second(*this, i.b, t), c(*this, i.c, t);
        for (int64_t j = 0; j < columns; j += Kernel::COLUMNS)
            Kernel::pack(packed + j / Kernel::COLUMNS * LANES, x(j),
                         Kernel::COLUMNS == 2 && j + 1 < columns ? second(j + 1) : nullptr);
        const Number* weights = constants<Number>(i.a, t);
        typename Kernel::Row* result = rows<typename Kernel::Row>(i.result, t);
        for (int64_t row = 0; row < i.count; row += TILE_ROWS, weights += TILE_ROWS * packed_columns)
            for (int lane = 0; lane < LANES; lane += TILE_VECTORS * Vector<Number>::WIDTH)
                matvec_tile<Kernel>(i, packed + lane, packed_columns, weights, c, row, result + row * LANES, lane);
    }

    // TILE_ROWS rows times TILE_VECTORS vectors of lanes, all kept in registers.
    template <class Kernel>
    static void matvec_tile(const Instruction& i, const typename Kernel::Number* packed, int64_t packed_columns,
                            const typename Kernel::Number* weights, Reader<typename Kernel::Row>& c, int64_t row,
                            typename Kernel::Row* result, int lane) {
        using Row = typename Kernel::Row;
        constexpr int WIDTH = Vector<Row>::WIDTH;
        const Row shift = static_cast<Row>(i.parameters[1]), shift_c = static_cast<Row>(i.parameters[2]);
        typename Kernel::Numbers sums[TILE_ROWS][TILE_VECTORS] = {};
        for (int64_t j = 0; j < packed_columns; ++j, packed += LANES, weights += TILE_ROWS) {
            typename Kernel::Numbers column[TILE_VECTORS];
            for (int v = 0; v < TILE_VECTORS; ++v) column[v] = load_vector(packed + v * WIDTH);
            for (int r = 0; r < TILE_ROWS; ++r)
                for (int v = 0; v < TILE_VECTORS; ++v) sums[r][v] = Kernel::accumulate(sums[r][v], column[v], weights[r]);
        }
        for (int r = 0; r < TILE_ROWS && row + r < i.count; ++r) {
            const Row* addend = i.parameters[3] ? c(row + r) + lane : nullptr;
            for (int v = 0; v < TILE_VECTORS; ++v) {
                auto sum = Kernel::unpack(sums[r][v]) << shift;
                if (addend) sum += load_vector(addend + v * WIDTH) << shift_c;
                std::memcpy(result + r * LANES + lane + v * WIDTH, &sum, sizeof sum);
            }
        }
    }
};

}  // namespace

// Sizes that the Python side builds programs for: LANES and TILE_ROWS.
extern "C" int64_t loopwire_lanes() { return LANES; }
extern "C" int64_t loopwire_tile_rows() { return TILE_ROWS; }

// Runs a program on a batch of sequences; 0 where all went well, 1 where an input lies outside its type.
extern "C" int64_t loopwire_run(const Instruction* instructions, int64_t instruction_count, const char* constants,
                                int64_t workspace_bytes, const int64_t* input, int64_t input_size, int64_t* output,
                                int64_t output_size, const int64_t* lengths, int64_t sequences, int64_t threads) {
    const Program program{instructions, instruction_count, constants, workspace_bytes};
    const Batch batch{input, input_size, output, output_size, lengths, sequences};
    const int64_t blocks = (sequences + LANES - 1) / LANES;
    std::atomic<int64_t> next{0};
    std::atomic<bool> in_range{true};
    const auto work = [&] {
        Machine machine(program, batch);
        for (int64_t block = next++; block < blocks; block = next++)
            if (!machine.run(block * LANES)) in_range = false;
    };
    std::vector<std::thread> others;
    for (int64_t k = 1; k < std::min(threads, blocks); ++k) others.emplace_back(work);
    work();
    for (std::thread& other : others) other.join();
    return in_range ? 0 : 1;
}
