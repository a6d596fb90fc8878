// Passwords hashed per second on one core, by each library that has scrypt here, in turns.
//
//   hashes ROUNDS HASHES
//
// Each round lets every library hash so many passwords at the cost of the protocol. Times are the thread's
// CPU time, for the machine may be busy with other things.
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "scrypt.hpp"

namespace {

using namespace wallet_sync;

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double rate(const ScryptFunction& function, int hashes) {
  std::array<unsigned char, 32> key{};
  const double begin = cpu_seconds();
  for (int i = 0; i < hashes; ++i) {
    if (!function.derive("a password of some length", "sixteen bytes ok", {1U << 15, 8, 1}, key)) {
      std::fprintf(stderr, "no memory\n");
      std::exit(1);
    }
  }
  return hashes / (cpu_seconds() - begin);
}

void show(const char* name, std::vector<double> values, const char* unit) {
  std::sort(values.begin(), values.end());
  std::printf("%-16s %6.2f%s (%.2f-%.2f)\n", name, values[values.size() / 2], unit, values.front(),
              values.back());
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 0;
  const int hashes = argc > 2 ? std::atoi(argv[2]) : 0;
  if (rounds < 1 || hashes < 1) {
    std::fprintf(stderr, "usage: hashes ROUNDS HASHES\n");
    return 2;
  }
  const auto functions = scrypt_functions();
  const ScryptChoice& choice = scrypt_choice();
  std::vector<std::vector<double>> rates(functions.size());
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < functions.size(); ++i) {
      rates[i].push_back(rate(functions[i], hashes));
    }
    ratios.push_back(rates.front().back() / rates.back().back());
  }
  for (std::size_t i = 0; i < functions.size(); ++i) {
    show(functions[i].library.data(), rates[i], " hashes a second of CPU");
  }
  if (functions.size() > 1) {
    show("ratio", ratios, "");
  }
  std::printf("wallet_sync takes %s\n", choice.why.c_str());
}
