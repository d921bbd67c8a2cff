// Deals sequences to COPIES receivers in turn: each beat goes to the receiver whose turn it is, s_last ends the turn.
module loopwire_distributor #(
    parameter int COPIES = 2
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,

    output logic [COPIES-1:0] m_valid,
    input  logic [COPIES-1:0] m_ready
);
  logic [COPIES-1:0] turn;                      // whose, one-hot

  assign m_valid = s_valid ? turn : '0;
  assign s_ready = |(turn & m_ready);

  always_ff @(posedge aclk) begin
    if (s_valid && s_ready && s_last) turn <= {turn[COPIES-2:0], turn[COPIES-1]};
    if (!aresetn) turn <= COPIES'(1);
  end
endmodule
