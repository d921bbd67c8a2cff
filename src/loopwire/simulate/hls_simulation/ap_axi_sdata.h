// Words of AXI4-Stream for C simulation, where no HLS tool brings its own: what AMD UG1399, "AXI4-Stream Interfaces with
// Side-Channels", and UG902 say of them.
#ifndef LOOPWIRE_SIMULATION_AP_AXI_SDATA_H_
#define LOOPWIRE_SIMULATION_AP_AXI_SDATA_H_

#include "ap_int.h"

template <int D, int U, int TI, int TD>
struct ap_axiu {
  ap_uint<D> data;
  ap_uint<(D + 7) / 8> keep;
  ap_uint<(D + 7) / 8> strb;
  ap_uint<U> user;
  ap_uint<1> last;
  ap_uint<TI> id;
  ap_uint<TD> dest;
};

#endif
