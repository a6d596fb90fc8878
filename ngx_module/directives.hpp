// What directives need of each other's parsing.
#pragma once

#include <string>
#include <string_view>

#include "config.hpp"

namespace wallet_sync {

// The first line of a file, relative to the configuration's directory. False: logged, naming the directive.
bool read_secret_file(ngx_conf_t* cf, const char* directive, std::string_view path, std::string& secret);

// The pool for scrypt when no directive names one. False: logged.
bool use_default_thread_pool(ngx_conf_t* cf, MainConf& main);

}  // namespace wallet_sync
