// Prometheus' text format, version 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace wallet_sync {

inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4";

class PrometheusText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Begins a metric; its samples follow. `help` is one line without a backslash.
  void metric(std::string_view name, std::string_view type, std::string_view help);
  // The values of labels are our own words: they hold nothing that needs an escape.
  void sample(Labels labels, unsigned long long value);
  // One of a histogram's label sets. `counts` are those of the classes, one more than there are `bounds`; all
  // values are in units of 1/`scale`, as milliseconds are of a second with 1000.
  void histogram(Labels labels, std::span<const std::uint64_t> bounds, std::span<const std::uint64_t> counts,
                 std::uint64_t sum, unsigned scale);
  std::string finish() { return std::move(text_); }

 private:
  void line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value);

  std::string text_;
  std::string_view name_;
};

}  // namespace wallet_sync
