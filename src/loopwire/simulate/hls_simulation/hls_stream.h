// Streams for C simulation, where no HLS tool brings its own: what AMD UG1399, "HLS Stream Library", says of them.
#ifndef LOOPWIRE_SIMULATION_HLS_STREAM_H_
#define LOOPWIRE_SIMULATION_HLS_STREAM_H_

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace hls {

// An unbounded queue. Reading what nobody wrote would block hardware for ever: here it ends the simulation.
template <class T> class stream {
public:
  stream() = default;
  explicit stream(const char *name) : name_(name) {}
  stream(const stream &) = delete;
  stream &operator=(const stream &) = delete;

  bool empty() const { return next_ == queue_.size(); }
  std::size_t size() const { return queue_.size() - next_; }
  void write(const T &value) { queue_.push_back(value); }
  T read() {
    if (empty()) {
      throw std::runtime_error(std::string("stream ") + name_ + " is read while it is empty");
    }
    const T value = queue_[next_++];
    if (empty()) {
      queue_.clear();
      next_ = 0;
    }
    return value;
  }

private:
  const char *name_ = "";
  std::vector<T> queue_;
  std::size_t next_ = 0;
};

} // namespace hls

#endif
