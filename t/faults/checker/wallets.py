"""Promises about wallets: nothing lost, nothing twice, nothing stale, nothing mixed."""

from faults import history as records


def kept(view):
    """The look into Redis at the end shows every acknowledged write, or a later one."""
    for account in view.accounts.values():
        newest = max((w for w in account.writes.values() if w.acknowledged), key=lambda w: w.sequence, default=None)
        looks = [o for o in account.observations if o.kind == records.STORED]
        last = max(looks, key=lambda o: o.end, default=None)
        if newest and not last:
            yield "nobody looked whether it is there", [newest]
        elif newest and last.seen_sequence < newest.sequence and newest.end < last.begin:
            yield f"{last.seen_sequence} is stored although {newest.sequence} was acknowledged", [newest, last]


def lost(view):
    """Acknowledged writes that are gone: their sequence was given again, or is not reached at the end."""
    for account in view.accounts.values():
        acknowledged = [w for w in account.writes.values() if w.acknowledged]
        again = {}  # sequence → when the last write that was granted it began
        for write in acknowledged:
            again[write.sequence] = max(again.get(write.sequence, 0), write.begin)
        stored = max((o.seen_sequence for o in account.observations if o.kind == records.STORED), default=0)
        yield from (w for w in acknowledged if again[w.sequence] > w.end or w.sequence > stored)


def given_once(view):
    """Of each sequence there is one write, and it follows one that may have been there."""
    for account in view.accounts.values():
        holders = {}
        for write in account.writes.values():
            if write.acknowledged:
                holders.setdefault(write.sequence, {})[write.write] = (write, write)
                if _follows_nothing(account, write) and not account.refused_one(write.sequence - 1, write.end):
                    yield f"{write.sequence} was accepted although nobody can have stored {write.sequence - 1}", [write]
        for seen in account.observations:
            write = account.writes.get(seen.seen_write)
            if write:
                holders.setdefault(seen.seen_sequence, {}).setdefault(write.write, (write, seen))
        for sequence, writes in holders.items():
            if len(writes) > 1:
                evidence = [item for pair in writes.values() for item in dict.fromkeys(pair)]
                yield f"{sequence} of {account.name} is that of {len(writes)} writes", evidence


def fresh(view):
    """Whoever asks after a sequence was acknowledged, read or told, gets it or a later one."""
    for account in view.accounts.values():
        moments = []
        for operation in account.operations:
            shown = _shown(operation)
            if shown is not None:
                moments += [(operation.begin, 0, operation, shown), (operation.end, 1, operation, shown)]
        for socket in account.sockets:
            moments += [(message.at, 1, message, message.sequence) for message in socket.messages
                        if not view.in_doubt(message.at, message.at)]
        moments.sort(key=lambda moment: moment[:2])
        known, source, known_at_begin = 0, None, {}
        for _, ends, item, shown in moments:
            if not ends:
                known_at_begin[item] = (known, source)
                continue
            before, why = known_at_begin.get(item, (0, None))
            wrote = isinstance(item, records.Operation) and item.acknowledged and item.write
            if shown < before or wrote and shown == before:
                word = "was written" if wrote else "was shown"
                yield f"{shown} {word} when {before} was known already", [why, item]
            if shown > known:
                known, source = shown, item


def _shown(operation):
    """The sequence that the answer proves to be stored."""
    if operation.seen_sequence is not None:
        return operation.seen_sequence
    return operation.sequence if operation.acknowledged and operation.write else None


def whole(view):
    """What is seen of a wallet is what one write of this account brought, and it had begun by then."""
    for account in view.accounts.values():
        for seen in account.observations:
            if seen.seen_sequence == 0 or seen.outcome == records.NOT_MODIFIED:
                continue
            write = account.writes.get(seen.seen_write)
            if write is None:
                other = view.writes.get(seen.seen_write)
                what = "the wallet of another account" if other else "a wallet that nobody wrote"
                yield what, [*filter(None, [other]), seen]
            elif write.begin > seen.end:
                yield "seen before it was written", [write, seen]
            elif (write.sequence, write.hmac, write.digest) != (seen.seen_sequence, seen.seen_hmac, seen.seen_digest):
                yield "wallet, sequence and hmac do not belong together", [write, seen]


def _follows_nothing(account, write):
    return write.sequence > 1 and account.begun(write.sequence - 1) > write.end


def refused(view):
    """A write that was refused is never seen: not after a 409, and not after a 503 that is not about an unknown outcome."""
    for account in view.accounts.values():
        proofs = [(account.writes.get(seen.seen_write), seen) for seen in account.observations]
        proofs += [(account.refused_one(write.sequence - 1, write.end), write) for write in account.writes.values()
                   if write.acknowledged and _follows_nothing(account, write)]
        proofs += [(account.refused_one(message.sequence, message.at), message) for socket in account.sockets
                   for message in socket.messages if message.sequence > account.possible_before(message.at)]
        told = set()
        for write, proof in proofs:
            if write and not write.possible and write.write not in told:
                told.add(write.write)
                yield f"answered with {write.outcome}, and done all the same", [write, proof]


def conflicts(view):
    """409 is answered only if the stored sequence may have been another than the one before the write's."""
    for account in view.accounts.values():
        moments = []
        for operation in account.operations:
            if operation.outcome == records.CONFLICT and operation.sequence:
                moments.append((operation.begin, 0, operation, 0))
            shown = _shown(operation)
            if shown is not None:
                moments.append((operation.end, 1, operation, shown))
        moments.sort(key=lambda moment: moment[:2])
        known, source = 0, None
        for _, ends, operation, shown in moments:
            if ends:
                if shown > known:
                    known, source = shown, operation
            elif operation.kind == records.PASSWORD and operation.sequence == 1:
                continue  # a password change never brings the first wallet
            elif known >= operation.sequence - 1 and account.possible_before(operation.end) < operation.sequence:
                yield f"{operation.sequence} was refused although {known} was stored", [*filter(None, [source]), operation]
