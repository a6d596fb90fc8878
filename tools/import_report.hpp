// What became of each account of the database: counted, and told where it was not as wished.
#pragma once

#include <array>
#include <string>

#include "import_row.hpp"
#include "import_store.hpp"

class ImportReport {
 public:
  ImportReport(bool json, bool dry_run) : json_(json), dry_run_(dry_run) {}

  void skipped(const Row& row, const std::string& reason);
  void noted(const Row& row, const std::string& note);
  void done(const Row& row, const wallet_sync::ImportResult& result);
  // The numbers. `devices`: tokens that were valid there, of so many accounts.
  void finish(std::int64_t devices, std::int64_t accounts, bool stopped) const;
  bool all_is_well() const { return skipped_ == 0; }

 private:
  void line(const Row& row, const char* kind, const std::string& text) const;

  bool json_;
  bool dry_run_;
  std::int64_t created_ = 0;
  std::int64_t updated_ = 0;
  std::int64_t unchanged_ = 0;
  std::int64_t skipped_ = 0;
  std::int64_t unverified_ = 0;
};
