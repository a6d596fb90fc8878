"""What is synced, and how changes of two devices come together."""

from dataclasses import dataclass

INITIAL = "-"


@dataclass(frozen=True)
class WalletState:
    sequence: int
    encrypted_wallet: str


def merge(base, mine, latest):
    """latest with the local changes on top.

    base is what both sides had in common; what mine has behind it are the local changes. A device without a
    wallet of its own takes the latest one as it is.
    """
    if mine is None:
        return latest
    assert mine.startswith(base), "local changes only ever append"
    changes = mine[len(base):]
    if latest.startswith(mine):
        return latest  # the server has our changes already
    return latest + changes
