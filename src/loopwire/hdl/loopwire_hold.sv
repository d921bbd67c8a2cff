// Holds each result until LATENCY cycles after its sequence's first beat was taken, so that all take as long as the slowest.
//
// A result that comes later, since the sender paused or the receiver stalls, leaves as soon as it can.
module loopwire_hold #(
    parameter int LATENCY = 113,                // to the result's first beat; at least 2
    parameter int DEPTH = 32                    // sequences in the design at once, at most; a power of two
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic begins,                        // a sequence's first beat is taken in this cycle

    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,

    output logic m_valid,
    input  logic m_ready
);
  localparam int TIME_BITS = $clog2(LATENCY + 1);
  localparam int PLACE_BITS = $clog2(DEPTH);
  logic [TIME_BITS-1:0] now;
  logic [TIME_BITS-1:0] due_times [0:DEPTH-1];
  // Sequences that have begun, those whose time has come, and those whose results have left. One bit more than a place has.
  logic [PLACE_BITS:0] begun, due, left;

  wire released = due != left;
  assign m_valid = s_valid && released;
  assign s_ready = m_ready && released;

  always_ff @(posedge aclk) if (begins) due_times[begun[PLACE_BITS-1:0]] <= now + TIME_BITS'(LATENCY - 1);

  always_ff @(posedge aclk) begin
    now <= now + TIME_BITS'(1);
    if (begins) begun <= begun + (PLACE_BITS + 1)'(1);
    if (begun != due && now == due_times[due[PLACE_BITS-1:0]]) due <= due + (PLACE_BITS + 1)'(1);
    if (m_valid && m_ready && s_last) left <= left + (PLACE_BITS + 1)'(1);
    if (!aresetn) begin
      now <= '0;
      begun <= '0;
      due <= '0;
      left <= '0;
    end
  end
endmodule
