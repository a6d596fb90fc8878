// Three ways to store a wallet if its sequence is the next one and the token is known. All read and write the
// same.
#pragma once

#include <memory>

#include "redis_loop.hpp"

// One EVALSHA for each write, one write at a time on a connection.
class ScriptWriter {
 public:
  static constexpr std::string_view kScript =
      "local token = redis.call('HGET', KEYS[2], ARGV[1])\n"
      "if not token or tonumber(string.match(token, '^%d+')) <= tonumber(ARGV[6]) then return 'token' end\n"
      "local seen = redis.call('HMGET', KEYS[1], 'sequence', 'write')\n"
      "if tonumber(seen[1] or 0) + 1 ~= tonumber(ARGV[2]) then return 'sequence' end\n"
      "redis.call('HSET', KEYS[1], 'sequence', ARGV[2], 'hmac', ARGV[3], 'wallet', ARGV[4], 'write', "
      "ARGV[5],\n"
      "  'updated', ARGV[6])\n"
      "redis.call('PUBLISH', ARGV[7], ARGV[2])\n"
      "return redis.status_reply('OK')\n";

  ScriptWriter(Bench& bench, redisAsyncContext* context) : bench_(bench), context_(context) {
    ::send(context_, on_loaded, this, {"SCRIPT", "LOAD", kScript});
  }

 private:
  void write() {
    account_ = &bench_.next();
    begun_ = Clock::now();
    const std::string sequence = std::to_string(account_->sequence + 1);
    ::send(context_, on_done, this,
           {"EVALSHA", script_, "2", account_->wallet_key, account_->tokens_key, account_->digest, sequence,
            bench_.hmac, bench_.wallet, bench_.next_write_id(), "1700000000", account_->channel});
  }

  static void on_loaded(redisAsyncContext*, void* reply, void* pointer) {
    auto* self = static_cast<ScriptWriter*>(pointer);
    self->script_ = checked(reply, REDIS_REPLY_STRING).str;
    self->write();
  }
  static void on_done(redisAsyncContext*, void* reply, void* pointer) {
    auto* self = static_cast<ScriptWriter*>(pointer);
    checked(reply, REDIS_REPLY_STATUS);
    ++self->account_->sequence;
    self->bench_.done(self->begun_);
    self->write();
  }

  Bench& bench_;
  redisAsyncContext* context_;
  std::string script_;
  Account* account_ = nullptr;
  Clock::time_point begun_;
};

// `size` writes at a time on a connection, in two trips: WATCH and the reads; MULTI, the writes, EXEC.
class Transaction {
 public:
  Transaction(Bench& bench, redisAsyncContext* context, std::size_t size)
      : bench_(bench), context_(context), accounts_(size) {
    look();
  }

 private:
  void look() {
    begun_ = Clock::now();
    std::vector<const char*> words{"WATCH"};
    std::vector<std::size_t> sizes{5};
    for (Account*& account : accounts_) {
      account = &bench_.next();
      for (const std::string* key : {&account->wallet_key, &account->tokens_key}) {
        words.push_back(key->data());
        sizes.push_back(key->size());
      }
    }
    ::send(context_, expect_status, nullptr, words.data(), sizes.data(), words.size());
    seen_ = 0;
    for (const Account* account : accounts_) {
      ::send(context_, expect_string, nullptr, {"HGET", account->tokens_key, account->digest});
      ::send(context_, on_sequence, this, {"HMGET", account->wallet_key, "sequence", "write"});
    }
  }

  void check(const redisReply& reply) {
    if (reply.elements != 2 || reply.element[0]->type != REDIS_REPLY_STRING ||
        std::strtoull(reply.element[0]->str, nullptr, 10) != accounts_[seen_]->sequence) {
      fail("a wallet is not where it should be");
    }
    if (++seen_ == accounts_.size()) {
      write();
    }
  }

  void write() {
    ::send(context_, expect_status, nullptr, {"MULTI"});
    for (Account* account : accounts_) {
      const std::string sequence = std::to_string(++account->sequence);
      ::send(context_, expect_status, nullptr,
             {"HSET", account->wallet_key, "sequence", sequence, "hmac", bench_.hmac, "wallet", bench_.wallet,
              "write", bench_.next_write_id(), "updated", "1700000000"});
      ::send(context_, expect_status, nullptr, {bench_.publish, account->channel, sequence});
    }
    ::send(context_, on_exec, this, {"EXEC"});
  }

  static void on_sequence(redisAsyncContext*, void* reply, void* self) {
    static_cast<Transaction*>(self)->check(checked(reply, REDIS_REPLY_ARRAY));
  }
  static void on_exec(redisAsyncContext*, void* reply, void* pointer) {
    auto* self = static_cast<Transaction*>(pointer);
    checked(reply, REDIS_REPLY_ARRAY);
    for (std::size_t i = 0; i < self->accounts_.size(); ++i) {
      self->bench_.done(self->begun_);
    }
    self->look();
  }

  Bench& bench_;
  redisAsyncContext* context_;
  std::vector<Account*> accounts_;
  std::size_t seen_ = 0;
  Clock::time_point begun_;
};
