// Keeps the bytes of frames, and hands them on when their frame has ended well.
//
// A frame that finds no room is lost as a whole. Bytes come in at any rate, and leave every other cycle at most. BYTES is
// a power of two.
module loopwire_frame_buffer #(
    parameter int BYTES = 4096,
    localparam int ADDRESS_BITS = $clog2(BYTES)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [7:0] s_data,
    input  logic s_valid,
    input  logic s_last,
    input  logic s_broken,    // forget the frame that has begun
    output logic overflowed,  // a frame is lost, for one cycle

    output logic [7:0] m_data,
    output logic m_last,
    output logic m_valid,
    input  logic m_ready
);
  logic [8:0] memory [0:BYTES-1];          // {last, byte}
  logic [ADDRESS_BITS:0] writing, ended, reading;
  logic losing, full;

  assign full = (ADDRESS_BITS + 1)'(writing - reading) == (ADDRESS_BITS + 1)'(BYTES);
  assign overflowed = s_valid && s_last && (full || losing);

  always_ff @(posedge aclk) if (s_valid && !full) memory[writing[ADDRESS_BITS-1:0]] <= {s_last, s_data};

  // A block RAM is slow to answer: a byte stands in its output for a cycle before it moves on.
  logic [8:0] fetched;
  logic fetched_valid, fetch, move;
  assign fetch = !fetched_valid && reading != ended;
  assign move = fetched_valid && (!m_valid || m_ready);
  always_ff @(posedge aclk) begin
    if (fetch) fetched <= memory[reading[ADDRESS_BITS-1:0]];
    if (move) {m_last, m_data} <= fetched;
  end

  always_ff @(posedge aclk) begin
    if (s_valid) begin
      losing <= (full || losing) && !s_last;
      if (!full) writing <= writing + (ADDRESS_BITS + 1)'(1);
      if (s_last && !full && !losing) ended <= writing + (ADDRESS_BITS + 1)'(1);
    end
    if (s_broken || overflowed) begin
      writing <= ended;
      losing <= 1'b0;
    end
    if (fetch) reading <= reading + (ADDRESS_BITS + 1)'(1);
    fetched_valid <= fetch || (fetched_valid && !move);
    m_valid <= move || (m_valid && !m_ready);
    if (!aresetn) begin
      writing <= '0;
      ended <= '0;
      reading <= '0;
      losing <= 1'b0;
      fetched_valid <= 1'b0;
      m_valid <= 1'b0;
    end
  end
endmodule
