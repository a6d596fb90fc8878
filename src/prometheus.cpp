#include "prometheus.hpp"

#include <utility>

namespace wallet_sync {
namespace {

// 1500 of 1000 is 1.5. REQUIRES: `scale` is a power of ten.
std::string decimal(std::uint64_t value, unsigned scale) {
  std::string text = std::to_string(value / scale);
  std::string fraction = std::to_string(scale + value % scale).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return fraction.empty() ? text : text.append(".").append(fraction);
}

}  // namespace

void PrometheusText::metric(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help);
  text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void PrometheusText::line(std::string_view suffix, Labels labels, std::string_view bound,
                          std::string_view value) {
  text_.append(name_).append(suffix);
  char before = '{';
  const auto label = [&](std::string_view name, std::string_view content) {
    (text_ += std::exchange(before, ',')).append(name).append("=\"").append(content).append("\"");
  };
  for (const auto& [name, content] : labels) {
    label(name, content);
  }
  if (!bound.empty()) {
    label("le", bound);
  }
  text_.append(before == ',' ? "} " : " ").append(value).append("\n");
}

void PrometheusText::sample(Labels labels, unsigned long long value) {
  line({}, labels, {}, std::to_string(value));
}

void PrometheusText::histogram(Labels labels, std::span<const std::uint64_t> bounds,
                               std::span<const std::uint64_t> counts, std::uint64_t sum, unsigned scale) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    line("_bucket", labels, i < bounds.size() ? decimal(bounds[i], scale) : "+Inf", std::to_string(total));
  }
  line("_sum", labels, {}, decimal(sum, scale));
  line("_count", labels, {}, std::to_string(total));
}

}  // namespace wallet_sync
