// Takes the results of COPIES senders in turn, in which loopwire_distributor dealt them their sequences; s_last ends the turn.
module loopwire_merger #(
    parameter int COPIES = 2,
    parameter int BITS = 80
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [COPIES*BITS-1:0] s_data,
    input  logic [COPIES-1:0] s_valid,
    output logic [COPIES-1:0] s_ready,
    input  logic [COPIES-1:0] s_last,

    output logic [BITS-1:0] m_data,
    output logic m_valid,
    input  logic m_ready,
    output logic m_last
);
  logic [COPIES-1:0] turn;                      // whose, one-hot

  assign s_ready = m_ready ? turn : '0;
  assign m_valid = |(turn & s_valid);
  assign m_last = |(turn & s_last);
  always_comb begin
    m_data = '0;
    for (int k = 0; k < COPIES; k++) if (turn[k]) m_data = s_data[k*BITS +: BITS];
  end

  always_ff @(posedge aclk) begin
    if (m_valid && m_ready && m_last) turn <= {turn[COPIES-2:0], turn[COPIES-1]};
    if (!aresetn) turn <= COPIES'(1);
  end
endmodule
