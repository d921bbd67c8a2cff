// Connects the Verilator model `Vtop` of a design and its host module to a pseudo-terminal, as if it were a board.
//
//     simulate <cycles from byte to byte>
//
// Prints the terminal's name, and runs until its standard input is closed.

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <deque>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr int kResetCycles = 4;
constexpr int kPowerUpCycles = 1000;      // a board is on before a host talks to it
constexpr int kCyclesBetweenLooks = 256;  // at the terminal
constexpr int kIdleLooks = 400;           // without a byte, before the model sleeps
constexpr int kSleepMilliseconds = 1;

[[noreturn]] void fail(const char* action) {
    std::perror(action);
    std::exit(1);
}

int open_terminal() {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) fail("posix_openpt");
    // Held open here too, so that the terminal outlives its users; raw, so that no byte is changed on its way.
    const int user_side = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    termios settings;
    if (user_side < 0 || tcgetattr(user_side, &settings) != 0) fail("open the terminal");
    cfmakeraw(&settings);
    tcsetattr(user_side, TCSANOW, &settings);
    std::printf("%s\n", ptsname(terminal));
    std::fflush(stdout);
    return terminal;
}

class Board {
  public:
    Board(VerilatedContext& context, int cycles_per_byte)
        : context_(context), top_(&context), cycles_per_byte_(cycles_per_byte) {
        top_.tx_ready = 1;
        top_.rx_broken = 0;
        top_.rx_valid = 0;
        top_.aresetn = 0;
        for (int i = 0; i < kResetCycles; ++i) clock();
        top_.aresetn = 1;
    }
    ~Board() { top_.final(); }

    void run(int cycles) {
        for (int i = 0; i < cycles; ++i) {
            const bool due = --until_next_byte_ <= 0 && !to_board.empty();
            top_.rx_valid = due;
            if (due) {
                top_.rx_data = to_board.front();
                to_board.pop_front();
                until_next_byte_ = cycles_per_byte_;
            }
            top_.eval();
            if (top_.tx_valid) from_board.push_back(top_.tx_data);
            clock();
        }
    }

    std::deque<unsigned char> to_board, from_board;

  private:
    void clock() {
        top_.aclk = 1;
        context_.timeInc(1);
        top_.eval();
        top_.aclk = 0;
        context_.timeInc(1);
        top_.eval();
    }

    VerilatedContext& context_;
    Vtop top_;
    const int cycles_per_byte_;
    int until_next_byte_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) fail("start without the cycles from byte to byte");
    VerilatedContext context;
    context.randReset(2);  // registers without a reset start with random bits,
    context.randSeed(1);   // the same ones each time
    Board board(context, std::atoi(argv[1]));
    board.run(kPowerUpCycles);
    const int terminal = open_terminal();
    int idle_looks = 0;
    while (true) {
        unsigned char bytes[512];
        const ssize_t received = read(terminal, bytes, sizeof bytes);
        if (received > 0) board.to_board.insert(board.to_board.end(), bytes, bytes + received);
        while (!board.from_board.empty() && write(terminal, &board.from_board.front(), 1) == 1) board.from_board.pop_front();

        const bool idle = board.to_board.empty() && board.from_board.empty();
        idle_looks = idle ? idle_looks + 1 : 0;
        pollfd events[] = {{terminal, POLLIN, 0}};
        poll(events, 1, idle_looks > kIdleLooks ? kSleepMilliseconds : 0);
        board.run(kCyclesBetweenLooks);
    }
}
