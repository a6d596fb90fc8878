#include "sqlite.hpp"

#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kBusyMs = 10'000;  // the server that writes the file has its turn

}  // namespace

Database::Database(std::string program, std::string path, int flags)
    : program_(std::move(program)), path_(std::move(path)), connection_(nullptr, sqlite3_close) {
  sqlite3* connection = nullptr;
  const int result = sqlite3_open_v2(path_.c_str(), &connection, flags, nullptr);
  connection_.reset(connection);
  if (result != SQLITE_OK) {
    fail("cannot be opened");
  }
  sqlite3_busy_timeout(connection, kBusyMs);
}

Database Database::open_to_read(const std::string& program, const std::string& path) {
  return {program, path, SQLITE_OPEN_READONLY};
}

Database Database::create(const std::string& program, const std::string& path) {
  return {program, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE};
}

void Database::fail(const std::string& what) const {
  std::fprintf(stderr, "%s: %s: %s: %s\n", program_.c_str(), path_.c_str(), what.c_str(),
               sqlite3_errmsg(connection_.get()));
  std::exit(1);
}

void Database::run(const std::string& sql) {
  if (sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail("SQLite refuses");
  }
}

bool Database::has_table(std::string_view name) {
  Statement statement(*this, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
  statement.bind(0, name);
  return statement.step();
}

Statement::Statement(Database& database, const std::string& sql)
    : database_(database), statement_(nullptr, sqlite3_finalize) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database.connection_.get(), sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
    database.fail("it is no database of a wallet-sync server");
  }
  statement_.reset(statement);
}

void Statement::bind(int parameter, std::string_view text) {
  sqlite3_bind_text(statement_.get(), parameter + 1, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
}

void Statement::bind(int parameter, std::int64_t number) {
  sqlite3_bind_int64(statement_.get(), parameter + 1, number);
}

void Statement::bind_null(int parameter) { sqlite3_bind_null(statement_.get(), parameter + 1); }

bool Statement::step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: database_.fail("SQLite refuses");
  }
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

bool Statement::is_integer(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_INTEGER;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return bytes != nullptr
             ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)))
             : std::string();
}
