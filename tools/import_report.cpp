#include "import_report.hpp"

#include <cstdio>

#include "encoding.hpp"
#include "json.hpp"
#include "session.hpp"

using namespace wallet_sync;

void ImportReport::line(const Row& row, const char* kind, const std::string& text) const {
  if (json_) {
    std::puts(JsonWriter()
                  .text(kind, text)
                  .number("userId", row.user_id)
                  .text("email", is_utf8(row.email) ? row.email : "")
                  .finish()
                  .c_str());
  } else {
    std::printf("%s %s (user %lld): %s\n", kind, shown(row.email).c_str(),
                static_cast<long long>(row.user_id), text.c_str());
  }
}

void ImportReport::skipped(const Row& row, const std::string& reason) {
  ++skipped_;
  line(row, "skipped", reason);
}

void ImportReport::noted(const Row& row, const std::string& note) { line(row, "note", note); }

void ImportReport::done(const Row& row, const ImportResult& result) {
  switch (result.outcome) {
    case ImportOutcome::created: ++created_; break;
    case ImportOutcome::updated: ++updated_; break;
    case ImportOutcome::unchanged: ++unchanged_; break;
    case ImportOutcome::newer_here: return skipped(row, "its wallet here is newer, and stays");
    case ImportOutcome::other_wallet:
      return skipped(row, "another wallet of the same sequence is here, and stays");
    case ImportOutcome::other_password:
      return skipped(row,
                     "the account here has another password, set here or with a newer wallet, and stays");
    case ImportOutcome::other_address: return skipped(row, "its place is taken by another address");
  }
  if (!row.imported->account.verified) {
    ++unverified_;
  }
  if (!row.wallet_refused.empty()) {
    skipped(row, row.wallet_refused + "; the account without it is taken over");
  }
  if (row.other_normalization) {
    noted(row, "the same address is " + Row(row).imported->email.normalized() + " here");
  }
  if (result.id != row.user_id) {
    noted(row, result.id > 0 ? "has the user id " + std::to_string(result.id) + " here"
                             : "its user id is taken here: it would get another one");
  }
}

void ImportReport::finish(std::int64_t devices, std::int64_t accounts, bool stopped) const {
  if (json_) {
    std::puts(JsonWriter()
                  .boolean("dryRun", dry_run_)
                  .boolean("stopped", stopped)
                  .number("created", created_)
                  .number("updated", updated_)
                  .number("unchanged", unchanged_)
                  .number("skipped", skipped_)
                  .number("unverified", unverified_)
                  .number("devices", devices)
                  .finish()
                  .c_str());
    return;
  }
  std::printf("%s%lld accounts created, %lld updated, %lld unchanged, %lld skipped\n",
              dry_run_ ? "Nothing was written. It would be: " : "", static_cast<long long>(created_),
              static_cast<long long>(updated_), static_cast<long long>(unchanged_),
              static_cast<long long>(skipped_));
  if (devices > 0) {
    std::printf("%lld devices of %lld accounts have to log in again: tokens cannot be taken over\n",
                static_cast<long long>(devices), static_cast<long long>(accounts));
  }
  if (unverified_ > 0) {
    std::printf("%lld accounts are not verified: their links are void, and they may ask for new ones\n",
                static_cast<long long>(unverified_));
  }
  if (stopped) {
    std::puts("Stopped before the end: run it again, and it goes on.");
  }
}
