// The handlers that the table in api.cpp names. Each is the whole story of its endpoint.
#pragma once

#include "api.hpp"

namespace wallet_sync {

Task<Response> signup(const Call& call);
Task<Response> authenticate(const Call& call);
Task<Response> get_wallet(const Call& call);
Task<Response> post_wallet(const Call& call);
Task<Response> get_client_salt_seed(const Call& call);
Task<Response> change_password(const Call& call);
Task<Response> delete_account(const Call& call);
Task<Response> verify_account(const Call& call);
Task<Response> resend_verification(const Call& call);
Task<Response> open_websocket(const Call& call);

}  // namespace wallet_sync
