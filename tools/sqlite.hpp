// As much of SQLite as the tools need. What goes wrong ends the program with a line that says what.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

class Database {
 public:
  // `program`: the name that begins the line.
  static Database open_to_read(const std::string& program, const std::string& path);
  // REQUIRES: there is no such file.
  static Database create(const std::string& program, const std::string& path);

  void run(const std::string& sql);
  bool has_table(std::string_view name);
  [[noreturn]] void fail(const std::string& what) const;

 private:
  friend class Statement;
  Database(std::string program, std::string path, int flags);
  std::string program_;
  std::string path_;
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> connection_;
};

// Parameters and columns count from 0.
class Statement {
 public:
  Statement(Database& database, const std::string& sql);

  void bind(int parameter, std::string_view text);
  void bind(int parameter, std::int64_t number);
  void bind_null(int parameter);
  // The next row; false: there is none.
  bool step();
  // Ready for other parameters.
  void reset();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  // Whether it is stored as a number.
  bool is_integer(int column) const;
  std::string text(int column) const;

 private:
  Database& database_;
  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement_;
};
