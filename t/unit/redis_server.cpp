#include "redis_server.hpp"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

using wallet_sync::Command;
using wallet_sync::Reply;
using wallet_sync::Server;

namespace {

Reply copy_of(const redisReply& reply) {
  Reply copy;
  switch (reply.type) {
    case REDIS_REPLY_STRING: copy.type = Reply::Type::text; break;
    case REDIS_REPLY_STATUS: copy.type = Reply::Type::status; break;
    case REDIS_REPLY_ERROR: copy.type = Reply::Type::error; break;
    case REDIS_REPLY_INTEGER:
      copy.type = Reply::Type::integer;
      copy.integer = reply.integer;
      return copy;
    case REDIS_REPLY_ARRAY:
      copy.type = Reply::Type::array;
      for (std::size_t i = 0; i < reply.elements; ++i) {
        copy.elements.push_back(copy_of(*reply.element[i]));
      }
      return copy;
    default: return copy;
  }
  copy.text.assign(reply.str, static_cast<std::size_t>(reply.len));
  return copy;
}

constexpr int kStartLimitMs = 30000;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

}  // namespace

int free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    give_up("no free port");
  }
  close(listener);
  return ntohs(address.sin_port);
}

BlockingClient::BlockingClient(const Server& server)
    : context_(server.unix_path.empty() ? redisConnect(server.host.c_str(), server.port)
                                        : redisConnectUnix(server.unix_path.c_str()),
               redisFree) {
  if (!context_ || context_->err != 0) {
    give_up("cannot reach " + server.name() + (context_ ? std::string(": ") + context_->errstr : ""));
  }
}

Reply BlockingClient::call(const Command& command) {
  const std::string_view wire = command.wire();
  redisAppendFormattedCommand(context_.get(), wire.data(), wire.size());
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK) {
    give_up(std::string("no reply: ") + context_->errstr);
  }
  Reply reply = copy_of(*static_cast<redisReply*>(raw));
  freeReplyObject(raw);
  return reply;
}

RedisServer::RedisServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  std::string path = std::filesystem::temp_directory_path() / "wallet_sync_redis.XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    give_up("no directory for redis-server");
  }
  directory_ = path;
  restart();
}

RedisServer::~RedisServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::restart() { start("Ready to accept connections"); }

void RedisServer::restart_without_waiting() { start("Server initialized"); }

// The line is awaited on the server's own log, so there is nothing to guess about how long it takes.
void RedisServer::start(std::string_view awaited_line) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (port_ == 0 || attempt > 0) {
      port_ = free_port();
    }
    const char* program = std::getenv("WALLET_SYNC_REDIS_SERVER");
    std::vector<std::string> line = {program != nullptr && *program != '\0' ? program : "redis-server",
                                     "--port",
                                     std::to_string(port_),
                                     "--bind",
                                     "127.0.0.1",
                                     "--unixsocket",
                                     server().unix_path,
                                     "--dir",
                                     directory_,
                                     "--appendonly",
                                     "yes",
                                     "--appendfsync",
                                     "no",
                                     "--save",
                                     "",
                                     "--loglevel",
                                     "notice",
                                     "--enable-debug-command",
                                     "yes",
                                     "--logfile",
                                     ""};
    line.insert(line.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> argv;
    for (std::string& argument : line) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      give_up("no pipe");
    }
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    output_ = ends[0];
    if (pid_ > 0 && wait_for_line(awaited_line)) {
      return;
    }
    kill();  // most likely somebody else took the port
  }
  give_up("redis-server does not start");
}

bool RedisServer::wait_for_line(std::string_view text) {
  std::string seen;
  char buffer[4096];
  pollfd readable{output_, POLLIN, 0};
  while (poll(&readable, 1, kStartLimitMs) > 0) {
    const ssize_t size = read(output_, buffer, sizeof buffer);
    if (size <= 0) {
      break;
    }
    seen.append(buffer, static_cast<std::size_t>(size));
    if (seen.find(text) != seen.npos) {
      return true;
    }
  }
  std::fprintf(stderr, "%s\n", seen.c_str());
  return false;
}

void RedisServer::reap() {
  if (pid_ > 0) {
    waitpid(pid_, nullptr, 0);
    close(output_);
  }
  pid_ = -1;
}

void RedisServer::shut_down() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
  }
  reap();
}

void RedisServer::kill() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
  }
  reap();
}

void RedisServer::freeze() {
  ::kill(pid_, SIGSTOP);
  waitpid(pid_, nullptr, WUNTRACED);
}

void RedisServer::thaw() { ::kill(pid_, SIGCONT); }

Server RedisServer::server() const {
  Server server;
  server.unix_path = directory_ + "/redis.sock";
  server.connect_timeout_ms = 15000;
  server.command_timeout_ms = 15000;
  return server;
}

Server RedisServer::tcp_server() const {
  Server server = this->server();
  server.unix_path.clear();
  server.host = "127.0.0.1";
  server.port = port_;
  return server;
}

std::string RedisServer::snapshot() {
  BlockingClient client(server());
  const Reply keys = client("KEYS", "*");
  std::vector<std::string> lines;
  for (const Reply& key : keys.elements) {
    lines.push_back(key.text + "=" + client("DUMP", key.text).text + "\n");
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) {
    all += line;
  }
  return all;
}
