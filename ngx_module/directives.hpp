// What directives need of each other's parsing.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "config.hpp"
#include "server_words.hpp"

namespace wallet_sync {

// What an int holds: more than any database, thread or (in milliseconds: 24 days, in seconds: 68 years) time
// that is meant, and all that epoll_wait and Redis take.
inline constexpr ngx_int_t kMaxInt = std::numeric_limits<std::int32_t>::max();

// NGX_ERROR unless it is a number of digits alone.
ngx_int_t number(std::string_view text);
// NGX_ERROR if it is no time of nginx' syntax, 0, or more than kMaxInt.
ngx_int_t milliseconds(std::string_view text);

// The first line of a file, relative to the configuration's directory. False: logged, naming the directive.
bool read_secret_file(ngx_conf_t* cf, const char* directive, std::string_view path, std::string& secret);

// The pool for scrypt when no directive names one. False: logged.
bool use_default_thread_pool(ngx_conf_t* cf, MainConf& main);
// The pool for mails. False: logged.
bool use_mail_thread_pool(ngx_conf_t* cf, MainConf& main);

}  // namespace wallet_sync
