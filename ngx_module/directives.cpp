// The directives that no slot function of nginx can read (those are in ngx_http_wallet_sync_module.c). A
// wrong one ends the start with a line that says what to write instead.
#include "directives.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "config.hpp"
#include "handler.hpp"
#include "metrics.hpp"
#include "scrypt.hpp"

namespace wallet_sync {
namespace {

char* duplicate() { return const_cast<char*>("is duplicate"); }

// A pool of our own: nginx' default one has 32 threads, and each scrypt takes 32 MiB. Null: logged.
ngx_thread_pool_t* make_thread_pool(ngx_conf_t* cf, std::string_view name, std::string_view threads,
                                    std::string_view max_queue) {
  std::string threads_argument = "threads=" + std::string(threads);
  std::string queue_argument = "max_queue=" + std::string(max_queue);
  std::array<ngx_str_t, 4> words = {to_ngx("thread_pool"), to_ngx(name), to_ngx(threads_argument),
                                    to_ngx(queue_argument)};
  for (ngx_str_t& word : words) {
    word.data = ngx_pstrdup(cf->pool, &word);
    if (word.data == nullptr) {
      return nullptr;
    }
  }
  // nginx has no function that makes a pool with given parameters, but its own directive does.
  ngx_array_t arguments{};
  arguments.elts = words.data();
  arguments.nelts = words.size();
  ngx_conf_t line = *cf;
  line.args = &arguments;
  ngx_command_t* directive = ngx_thread_pool_module.commands;
  if (directive->set(&line, directive, nullptr) != NGX_CONF_OK) {
    return nullptr;
  }
  return ngx_thread_pool_add(cf, &words[1]);
}

// nginx' own bound is above ours: it ends a pool by tasks in the same queue, and leaves the threads of a full
// one.
std::string queue_for(ngx_uint_t max_tasks) { return std::to_string(max_tasks + 1); }

bool set_thread_pool(ngx_conf_t* cf, MainConf& main, std::string_view threads, std::string_view max_queue) {
  main.kdf_max_tasks = static_cast<ngx_uint_t>(number(threads) + number(max_queue));
  main.kdf_pool = make_thread_pool(cf, "wallet_sync", threads, queue_for(main.kdf_max_tasks));
  return main.kdf_pool != nullptr;
}

// A location has one handler. Null: there is none yet.
const char* other_content(const Written& conf, std::string_view directive) {
  if (conf.enabled && directive != "wallet_sync") {
    return "needs a location without \"wallet_sync\"";
  }
  if (conf.shows_metrics && directive != "wallet_sync_metrics") {
    return "needs a location without \"wallet_sync_metrics\"";
  }
  if (conf.health && directive != "wallet_sync_health") {
    return "needs a location without \"wallet_sync_health\"";
  }
  return nullptr;
}

}  // namespace

ngx_int_t number(std::string_view text) {
  const ngx_str_t value = to_ngx(text);
  return ngx_atoi(value.data, value.len);
}

ngx_int_t milliseconds(std::string_view text) {
  ngx_str_t value = to_ngx(text);
  const ngx_int_t time = ngx_parse_time(&value, 0);
  return time > 0 && time <= kMaxInt ? time : NGX_ERROR;
}

bool read_secret_file(ngx_conf_t* cf, const char* directive, std::string_view path, std::string& secret) {
  ngx_str_t name = to_ngx(path);
  name.data = ngx_pstrdup(cf->pool, &name);
  if (name.data == nullptr || ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
    return false;
  }
  const ngx_fd_t fd = ngx_open_file(name.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
  std::array<char, 1024> text{};
  const ssize_t size = fd == NGX_INVALID_FILE ? -1 : ngx_read_fd(fd, text.data(), text.size());
  const ngx_err_t error = size < 0 ? ngx_errno : 0;
  if (fd != NGX_INVALID_FILE) {
    ngx_close_file(fd);
  }
  std::string_view line(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  line = line.substr(0, line.find_first_of("\r\n"));
  if (line.empty() || line.size() == text.size()) {
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, error,
        "%s: cannot read a secret from \"%V\"; write the path of a file whose first line is the "
        "secret, of less than 1024 bytes",
        directive, &name);
    return false;
  }
  secret = line;
  return true;
}

bool use_default_thread_pool(ngx_conf_t* cf, MainConf& main) { return set_thread_pool(cf, main, "2", "32"); }

bool use_mail_thread_pool(ngx_conf_t* cf, MainConf& main) {
  main.mail_max_tasks = 2 + 128;
  main.mail_pool = make_thread_pool(cf, "wallet_sync_mail", "2", queue_for(main.mail_max_tasks));
  return main.mail_pool != nullptr;
}

}  // namespace wallet_sync

using namespace wallet_sync;

char* ngx_http_wallet_sync(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  if (block_of(conf).enabled) {
    return duplicate();
  }
  if (const char* other = other_content(block_of(conf), "wallet_sync")) {
    return const_cast<char*>(other);
  }
  if (scrypt_choice().function == nullptr) {
    return const_cast<char*>("cannot hash passwords: no library's scrypt gives the right key");
  }
  if (use_metrics_zone(cf, main_conf(cf).metrics_zone) == nullptr) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  block_of(conf).enabled = true;
  auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  core->handler = handle_request;
  return NGX_CONF_OK;
}

char* ngx_http_wallet_sync_metrics(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  if (block_of(conf).shows_metrics) {
    return duplicate();
  }
  if (const char* other = other_content(block_of(conf), "wallet_sync_metrics")) {
    return const_cast<char*>(other);
  }
  if (use_metrics_zone(cf, main_conf(cf).metrics_zone) == nullptr) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  block_of(conf).shows_metrics = true;
  auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  core->handler = show_metrics;
  return NGX_CONF_OK;
}

char* ngx_http_wallet_sync_health(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& health = block_of(conf).health;
  if (health) {
    return duplicate();
  }
  if (const char* other = other_content(block_of(conf), "wallet_sync_health")) {
    return const_cast<char*>(other);
  }
  auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  if (cf->args->nelts == 2 && to_view(words[1]) != "ready") {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "wallet_sync_health: unknown argument \"%V\"; write ready, or nothing", &words[1]);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  health = cf->args->nelts == 2 ? Health::ready : Health::live;
  main_conf(cf).watches_readiness |= health == Health::ready;
  auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  core->handler = show_health;
  return NGX_CONF_OK;
}

char* ngx_http_wallet_sync_accounts(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& accounts = block_of(conf).accounts;
  if (accounts) {
    return duplicate();
  }
  const auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  const std::string_view mode = to_view(words[1]);
  AccountPolicy policy;
  if (mode == "open") {
    policy.mode = AccountPolicy::Mode::open;
  } else if (mode == "email") {
    policy.mode = AccountPolicy::Mode::email;
  } else if (mode != "whitelist") {
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "wallet_sync_accounts: unknown mode \"%V\"; write open, email, or whitelist followed by "
        "the addresses",
        &words[1]);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  for (ngx_uint_t i = 2; i < cf->args->nelts; ++i) {
    if (policy.mode == AccountPolicy::Mode::whitelist && to_view(words[i]) == "stored") {
      policy.stored = true;
      continue;
    }
    const auto email = Email::parse(to_view(words[i]));
    if (policy.mode != AccountPolicy::Mode::whitelist || !email) {
      ngx_conf_log_error(
          NGX_LOG_EMERG, cf, 0,
          "wallet_sync_accounts: unexpected \"%V\"; write open, email, or whitelist followed by "
          "e-mail addresses such as joe@example.com, or by stored",
          &words[i]);
      return static_cast<char*>(NGX_CONF_ERROR);
    }
    policy.whitelist.insert(email->normalized());
  }
  accounts = std::move(policy);
  return NGX_CONF_OK;
}

char* ngx_http_wallet_sync_login_attempts(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& limit = block_of(conf).login_limit;
  if (limit) {
    return duplicate();
  }
  auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  LoginLimit value;
  const bool off = to_view(words[1]) == "off";
  value.attempts = off ? 0 : number(to_view(words[1]));
  bool valid = off ? cf->args->nelts == 2 : value.attempts > 0;
  if (cf->args->nelts == 3) {
    const ngx_int_t seconds = ngx_parse_time(&words[2], 1);
    valid = valid && seconds > 0 && seconds <= kMaxInt;
    value.window = static_cast<std::uint32_t>(seconds);
  }
  if (!valid) {
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "wallet_sync_login_attempts: invalid value \"%V\"; write a number above 0 and a time of less than 68 "
        "years, such as 10 15m, or off",
        &words[cf->args->nelts - 1]);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  limit = value;
  return NGX_CONF_OK;
}

char* ngx_http_wallet_sync_thread_pool(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  MainConf& main = *static_cast<MainConf*>(conf);
  if (main.kdf_pool != nullptr) {
    return duplicate();
  }
  auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  std::string_view threads;
  std::string_view max_queue = "32";
  if (named(to_view(words[1]), "threads", threads)) {
    const bool queue_fine = cf->args->nelts == 2 || named(to_view(words[2]), "max_queue", max_queue);
    const bool threads_fine = number(threads) > 0 && number(threads) <= kMaxInt;
    if (queue_fine && threads_fine && number(max_queue) >= 0 && number(max_queue) <= kMaxInt) {
      return set_thread_pool(cf, main, threads, max_queue) ? NGX_CONF_OK : static_cast<char*>(NGX_CONF_ERROR);
    }
  } else if (cf->args->nelts == 2 && to_view(words[1]).find('=') == std::string_view::npos) {
    main.kdf_pool = ngx_thread_pool_add(cf, &words[1]);
    return main.kdf_pool != nullptr ? NGX_CONF_OK : static_cast<char*>(NGX_CONF_ERROR);
  }
  ngx_conf_log_error(
      NGX_LOG_EMERG, cf, 0,
      "wallet_sync_thread_pool: invalid parameters; write threads=number [max_queue=number], such as "
      "threads=2 max_queue=32, or the name of a pool that thread_pool defines");
  return static_cast<char*>(NGX_CONF_ERROR);
}
