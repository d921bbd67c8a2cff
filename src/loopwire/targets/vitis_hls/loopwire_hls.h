// What the layers share: exact integers behind fixed-point numbers, and the beats of streams.
#ifndef LOOPWIRE_HLS_H_
#define LOOPWIRE_HLS_H_

#include "ap_axi_sdata.h"
#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"

#include <cstdint>
#include <type_traits>

namespace loopwire {

// A signed integer of so many bits. No number leaves its range, so in C simulation the next wider integer of the
// processor holds the same numbers, much faster; LOOPWIRE_EXACT_WIDTHS simulates the synthesised widths instead.
#if defined(__SYNTHESIS__) || defined(LOOPWIRE_EXACT_WIDTHS)
template <int bits>
using integer = ap_int<bits>;
#else
template <int bits>
using integer = typename std::conditional<
    (bits <= 8), std::int8_t,
    typename std::conditional<
        (bits <= 16), std::int16_t,
        typename std::conditional<
            (bits <= 32), std::int32_t,
            typename std::conditional<(bits <= 64), std::int64_t, ap_int<bits>>::type>::type>::type>::type;
#endif

// Bits of a fixed-point type, and of the signed integer that counts its steps.
template <class fixed_t>
struct integer_bits;
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N>
struct integer_bits<ap_fixed<W, I, Q, O, N>> {
  static constexpr int width = W;
  static constexpr int value = W;
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N>
struct integer_bits<ap_ufixed<W, I, Q, O, N>> {
  static constexpr int width = W;
  static constexpr int value = W + 1;
};

#if defined(__SYNTHESIS__) || defined(LOOPWIRE_EXACT_WIDTHS)
// The integer that a number is, counted in steps of its type.
template <class fixed_t>
inline integer<integer_bits<fixed_t>::value> integer_of(const fixed_t &number) {
#pragma HLS INLINE
  integer<integer_bits<fixed_t>::value> steps = 0;
  steps.range(integer_bits<fixed_t>::width - 1, 0) = number.range(integer_bits<fixed_t>::width - 1, 0);
  return steps;
}

// The number of a type that is so many of its steps.
template <class fixed_t, class integer_t>
inline fixed_t fixed_of(const integer_t &steps) {
#pragma HLS INLINE
  const ap_int<integer_bits<fixed_t>::width> bits = steps;
  fixed_t number;
  number.range(integer_bits<fixed_t>::width - 1, 0) = bits.range(integer_bits<fixed_t>::width - 1, 0);
  return number;
}
#else
// The same in C simulation, by what the headers hold a number in: quicker than a range of bits.
template <class native_t>
inline const native_t &bits_of(const native_t &number) {
#pragma HLS INLINE
  return number;
}
template <int bits>
inline auto bits_of(const ap_int<bits> &number) -> const decltype(number.V) & {
#pragma HLS INLINE
  return number.V;
}

template <class native_t, class bits_t>
inline void set_bits(native_t &number, const bits_t &bits) {
#pragma HLS INLINE
  number = bits;
}
template <int width, class bits_t>
inline void set_bits(ap_int<width> &number, const bits_t &bits) {
#pragma HLS INLINE
  number.V = bits;
}

template <class fixed_t>
inline integer<integer_bits<fixed_t>::value> integer_of(const fixed_t &number) {
#pragma HLS INLINE
  integer<integer_bits<fixed_t>::value> steps;
  set_bits(steps, number.V);
  return steps;
}

template <class fixed_t, class integer_t>
inline fixed_t fixed_of(const integer_t &steps) {
#pragma HLS INLINE
  fixed_t number;
  number.V = bits_of(steps);
  return number;
}
#endif

// a · b, which fits so many bits.
template <int bits, class a_t, class b_t>
inline integer<bits> multiply(const a_t &a, const b_t &b) {
#pragma HLS INLINE
#if defined(__SYNTHESIS__) || defined(LOOPWIRE_EXACT_WIDTHS)
  return a * b;
#else
  return integer<bits>(a) * integer<bits>(b);
#endif
}

// The larger and the smaller of two numbers, in a type that holds it.
template <class result_t, class a_t, class b_t>
inline result_t larger(const a_t &a, const b_t &b) {
#pragma HLS INLINE
  return a > b ? result_t(a) : result_t(b);
}

template <class result_t, class a_t, class b_t>
inline result_t smaller(const a_t &a, const b_t &b) {
#pragma HLS INLINE
  return a < b ? result_t(a) : result_t(b);
}

// What a stream carries at a time: one step of a sequence, or a whole vector. `last` ends a sequence.
template <class element_t, int size>
struct beat {
  element_t value[size];
  bool last;
};

// The same at a port: element k is in the lowest bits of lane k, lanes are whole bytes, TLAST is `last`.
template <class element_t>
struct lane_bits {
  static constexpr int value = (integer_bits<element_t>::width + 7) / 8 * 8;
};
#ifdef __VITIS_HLS__
template <class element_t, int size>
using axi_beat = ap_axiu<size * lane_bits<element_t>::value, 0, 0, 0>;
#else // Vivado HLS has no side channels without bits
template <class element_t, int size>
using axi_beat = ap_axiu<size * lane_bits<element_t>::value, 1, 1, 1>;
#endif

template <class element_t, int size>
inline beat<element_t, size> from_axi(const axi_beat<element_t, size> &word) {
#pragma HLS INLINE
  beat<element_t, size> step;
  for (int k = 0; k < size; k++) {
#pragma HLS UNROLL
    const int low = k * lane_bits<element_t>::value;
    step.value[k].range(integer_bits<element_t>::width - 1, 0) =
        word.data.range(low + integer_bits<element_t>::width - 1, low);
  }
  step.last = word.last;
  return step;
}

template <class element_t, int size>
inline axi_beat<element_t, size> to_axi(const beat<element_t, size> &step) {
#pragma HLS INLINE
  axi_beat<element_t, size> word;
  word.data = 0;
  for (int k = 0; k < size; k++) {
#pragma HLS UNROLL
    const int low = k * lane_bits<element_t>::value;
    word.data.range(low + integer_bits<element_t>::width - 1, low) =
        step.value[k].range(integer_bits<element_t>::width - 1, 0);
  }
  word.keep = -1;
  word.strb = -1;
#ifndef __VITIS_HLS__
  word.user = 0;
  word.id = 0;
  word.dest = 0;
#endif
  word.last = step.last;
  return word;
}

} // namespace loopwire

#endif
