#include "prometheus.hpp"

namespace wallet_sync {

void PrometheusText::metric(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help);
  text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void PrometheusText::sample(Labels labels, unsigned long long value) {
  text_.append(name_);
  char before = '{';
  for (const auto& [label, content] : labels) {
    (text_ += before).append(label).append("=\"").append(content).append("\"");
    before = ',';
  }
  text_.append(labels.size() > 0 ? "} " : " ").append(std::to_string(value)).append("\n");
}

}  // namespace wallet_sync
