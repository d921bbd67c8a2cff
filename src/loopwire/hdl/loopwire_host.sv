// Serves a design to a host computer, over a stream of bytes each way.
//
// A frame from the host is a command, a number one above that of the frame before, and bytes of the command:
//     1 identify      the answer is an identity frame
//     2 reset         resets the design and forgets errors; any number
//     16 write        bytes of input beats, lowest first, beats one after another and over the ends of frames; plus
//         1 last      the frame's last byte ends a sequence: TLAST, and TKEEP where the beat is not full
//         2 fresh     TUSER with the frame's first beat
// A frame to the host begins with its kind, a number of its own, the number of the host's last frame that has left the
// buffer, and the errors since the reset; then come, by kind,
//     1 identity      what the design is: IDENTITY_BYTES bytes
//     2 status        nothing: sent when a frame has left the buffer or an error is new
//     3 result        output beats, lowest byte first, of a single result
// So a host that never has more than BUFFER_BYTES on their way loses none. With an error, all that is written is dropped.
module loopwire_host #(
    parameter int IN_BYTES = 2,
    parameter int OUT_BYTES = 2,
    parameter bit KEEP = 0,            // a sequence's last beat need not be full
    parameter int BUFFER_BYTES = 4096,
    parameter int IDENTITY_BYTES = 16,
    localparam int PLACE_BITS = $clog2(IDENTITY_BYTES)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [7:0] rx_data,
    input  logic rx_valid,
    input  logic rx_broken,
    output logic [7:0] tx_data,
    output logic tx_valid,
    input  logic tx_ready,

    output logic design_resetn,
    output logic [8*IN_BYTES-1:0] to_design_data,
    output logic [IN_BYTES-1:0] to_design_keep,
    output logic to_design_valid,
    input  logic to_design_ready,
    output logic to_design_last,
    output logic to_design_user,
    input  logic [8*OUT_BYTES-1:0] from_design_data,
    input  logic from_design_valid,
    output logic from_design_ready,
    input  logic from_design_last,

    output logic [PLACE_BITS-1:0] identity_place,
    input  logic [7:0] identity_byte,  // at the place of the cycle before

    output logic [2:0] errors    // a broken frame, a frame missing, a frame that means nothing
);
  localparam logic [7:0] IDENTIFY = 8'd1, RESET = 8'd2, WRITE = 8'd16;
  localparam logic [7:0] IDENTITY = 8'd1, STATUS = 8'd2, RESULT = 8'd3;
  localparam int RESET_CYCLES = 16;
  localparam int FILL_BITS = $clog2(IN_BYTES + 1);
  localparam int DRAIN_BITS = $clog2(OUT_BYTES + 1);

  logic [7:0] frame_data, buffered_data;
  logic frame_valid, frame_last, frame_broken, overflowed, buffered_valid, buffered_ready, buffered_last;
  loopwire_hdlc_receiver receiver_i (
      .aclk, .aresetn, .rx_data, .rx_valid, .rx_broken,
      .data(frame_data), .valid(frame_valid), .last(frame_last), .broken(frame_broken)
  );
  loopwire_frame_buffer #(.BYTES(BUFFER_BYTES)) buffer_i (
      .aclk, .aresetn, .s_data(frame_data), .s_valid(frame_valid), .s_last(frame_last), .s_broken(frame_broken),
      .overflowed, .m_data(buffered_data), .m_last(buffered_last), .m_valid(buffered_valid), .m_ready(buffered_ready)
  );

  // From the host to the design.
  typedef enum logic [2:0] {COMMAND, NUMBER, CONTENT, PADDING, SKIPPED} read_t;
  read_t read;
  logic [7:0] command, number, expected;
  logic [7:0] consumed;          // number of the last frame that has left the buffer
  logic [FILL_BITS-1:0] filled;  // bytes of the beat
  logic [4:0] reset_left;        // cycles
  logic took, ended, identified, known, misread, fills;
  logic first;                   // byte of a frame's beats
  logic writing, last, fresh;    // what the command says
  logic pads;                    // a byte that is not there

  assign design_resetn = reset_left == 0;
  assign buffered_ready = design_resetn && read != PADDING && (read != CONTENT || !to_design_valid || to_design_ready);
  assign took = buffered_valid && buffered_ready;
  assign ended = took && buffered_last;
  assign identified = took && read == NUMBER && command == IDENTIFY;
  assign fills = filled == FILL_BITS'(IN_BYTES - 1);
  assign pads = read == PADDING;
  assign writing = command[7:2] == WRITE[7:2];
  assign fresh = command[1];
  assign last = command[0];
  // A frame too short, of an unknown command, or that ends a sequence within a beat which must be full.
  assign known = buffered_data == IDENTIFY || buffered_data == RESET || buffered_data[7:2] == WRITE[7:2];
  assign misread = took && ((read == COMMAND && (buffered_last || !known))
      || (read == NUMBER && writing && last && buffered_last)
      || (read == CONTENT && last && buffered_last && !fills && !KEEP));

  always_ff @(posedge aclk) begin
    if (reset_left != 0) reset_left <= reset_left - 5'd1;
    if (to_design_valid && to_design_ready) to_design_valid <= 1'b0;
    if (took) begin
      case (read)
        COMMAND: begin
          command <= buffered_data;
          read <= NUMBER;
        end
        NUMBER: begin
          number <= buffered_data;
          expected <= buffered_data + 8'd1;
          read <= SKIPPED;
          if (command == RESET) begin
            reset_left <= 5'(RESET_CYCLES);
            filled <= '0;
            errors <= '0;
          end
          first <= 1'b1;
          if (writing) begin
            if (buffered_data != expected) errors[1] <= 1'b1;
            else if (errors == 0) read <= CONTENT;
          end
        end
        CONTENT: begin
          first <= 1'b0;
          if (filled == '0) to_design_user <= first && fresh;
        end
        default: ;
      endcase
      if (buffered_last) begin
        consumed <= read == NUMBER ? buffered_data : number;
        read <= KEEP && read == CONTENT && last && !fills ? PADDING : COMMAND;
      end
    end
    if ((took && read == CONTENT) || pads) begin
      to_design_data <= (8 * IN_BYTES)'({pads ? 8'd0 : buffered_data, to_design_data} >> 8);
      to_design_keep <= IN_BYTES'({!pads, to_design_keep} >> 1);
      to_design_valid <= fills;
      to_design_last <= last && (pads || buffered_last);
      filled <= fills ? '0 : filled + FILL_BITS'(1);
      if (pads && fills) read <= COMMAND;
    end
    if (frame_broken) errors[0] <= 1'b1;
    if (overflowed) errors[1] <= 1'b1;
    if (misread) errors[2] <= 1'b1;
    if (!aresetn) begin
      reset_left <= 5'(RESET_CYCLES);
      read <= COMMAND;
      consumed <= '0;
      expected <= '0;
      filled <= '0;
      errors <= '0;
    end
    if (!design_resetn) to_design_valid <= 1'b0;
  end

  // From the design to the host.
  typedef enum logic [1:0] {RESTING, HEADER, IDENTITY_BODY, RESULT_BODY} write_t;
  write_t write;
  logic [7:0] kind, write_number, body;
  logic [1:0] header_byte;
  logic status_due, identity_due;
  logic [2:0] errors_before;
  logic [8*OUT_BYTES-1:0] beat;
  logic [DRAIN_BITS-1:0] beat_left;  // bytes
  logic beat_last;
  logic [PLACE_BITS-1:0] place;      // of identity_byte
  logic body_valid, body_ready, body_last, moved, take_first, take_next, waiting;

  // A byte every other cycle, which no line asks for: what chooses it and what sends it need not fit in the same one.
  logic [7:0] chosen;
  logic chosen_valid, chosen_last, chosen_taken;
  assign body_ready = !chosen_valid;
  always_ff @(posedge aclk) begin
    if (moved) {chosen, chosen_last} <= {body, body_last};
    chosen_valid <= aresetn && (moved || (chosen_valid && !chosen_taken));
  end
  loopwire_hdlc_sender sender_i (
      .aclk, .aresetn, .s_data(chosen), .s_valid(chosen_valid), .s_ready(chosen_taken), .s_last(chosen_last),
      .tx_data, .tx_valid, .tx_ready
  );
  assign waiting = from_design_valid && design_resetn;
  assign moved = body_valid && body_ready;
  assign take_first = write == RESTING && !identity_due && waiting;
  assign take_next = write == RESULT_BODY && moved && beat_left == DRAIN_BITS'(1) && !beat_last && waiting;
  assign from_design_ready = take_first || take_next;

  assign body_valid = write != RESTING;
  always_comb begin
    body = 8'd0;
    body_last = 1'b0;
    case (write)
      HEADER: begin
        case (header_byte)
          2'd0: body = kind;
          2'd1: body = write_number;
          2'd2: body = consumed;
          default: body = {5'd0, errors};
        endcase
        body_last = header_byte == 2'd3 && kind == STATUS;
      end
      IDENTITY_BODY: begin
        body = identity_byte;
        body_last = place == PLACE_BITS'(IDENTITY_BYTES - 1);
      end
      RESULT_BODY: begin
        body = beat[7:0];
        body_last = beat_left == DRAIN_BITS'(1) && (beat_last || !waiting);
      end
      default: ;
    endcase
  end

  assign identity_place = write != IDENTITY_BODY ? '0 : place + PLACE_BITS'(moved);
  always_ff @(posedge aclk) place <= identity_place;

  always_ff @(posedge aclk) begin
    if (take_first || take_next) begin
      beat <= from_design_data;
      beat_left <= DRAIN_BITS'(OUT_BYTES);
      beat_last <= from_design_last;
    end else if (write == RESULT_BODY && moved) begin
      beat <= beat >> 8;
      beat_left <= beat_left - DRAIN_BITS'(1);
    end

    if (write == RESTING) begin
      header_byte <= '0;
      if (identity_due || waiting || status_due) begin
        write <= HEADER;
        identity_due <= 1'b0;
        status_due <= 1'b0;  // every header tells the status
        kind <= identity_due ? IDENTITY : waiting ? RESULT : STATUS;
      end
    end
    if (write == HEADER && moved) begin
      header_byte <= header_byte + 2'd1;
      if (header_byte == 2'd3) write <= kind == IDENTITY ? IDENTITY_BODY : RESULT_BODY;
    end
    if (moved && body_last) begin
      write <= RESTING;
      write_number <= write_number + 8'd1;
    end

    errors_before <= errors;
    if ((ended && !(command == RESET || identified)) || reset_left == 5'd1 || (errors & ~errors_before) != 0) begin
      status_due <= 1'b1;
    end
    if (identified) identity_due <= 1'b1;
    if (!aresetn) begin
      write <= RESTING;
      write_number <= '0;
      status_due <= 1'b0;
      identity_due <= 1'b0;
      errors_before <= '0;
    end
  end
endmodule
