// Prometheus' text format, version 0.0.4.
#pragma once

#include <initializer_list>
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
  std::string finish() { return std::move(text_); }

 private:
  std::string text_;
  std::string_view name_;
};

}  // namespace wallet_sync
