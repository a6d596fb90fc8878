#include "store.hpp"

namespace wallet_sync {

Task<Result<WalletView>> Store::get_wallet(Token token, UnixTime now) {
  struct Keeper final : WalletReader {
    std::optional<Wallet> wallet;
    void on_wallet(const ShownWallet& shown) noexcept override {
      wallet = Wallet{shown.sequence, std::move(shown.encrypted), std::move(shown.hmac)};
    }
  } keeper;
  const auto version = co_await show_wallet(token, now, keeper);
  if (!version) {
    co_return version.error();
  }
  co_return WalletView{version->token, std::move(keeper.wallet)};
}

}  // namespace wallet_sync
