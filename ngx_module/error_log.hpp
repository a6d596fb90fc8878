// What nginx' own lines in the error log say about requests of our locations.
//
// nginx ends each line about a request with its request line, and the tokens of the protocol are in there. In
// our locations the line names the path alone, whoever writes it (limit_req, a log that cannot be written, a
// reset) and also after the request has left for an error page.
#pragma once

#include "ngx.hpp"

namespace wallet_sync {

// False: no memory.
bool hide_arguments_in_error_log(ngx_conf_t* cf);

}  // namespace wallet_sync
