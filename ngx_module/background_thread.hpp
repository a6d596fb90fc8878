// How a thread that computes for long shares the processors with those that answer requests.
#pragma once

namespace wallet_sync {

// From then on the scheduler lets whoever wakes go before the calling thread, where its share allows that,
// instead of letting it first finish its turn; and in a contest for a processor it gets a third of what
// others get. Nothing is promised to it or taken from it while processors are idle. The first call in a
// thread counts, further ones are free; where the system refuses, all stays as it is.
void enter_background();

}  // namespace wallet_sync
