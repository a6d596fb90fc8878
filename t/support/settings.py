"""What the environment says about the build under test."""

import os

NGINX = os.environ.get("WALLET_SYNC_NGINX") or "/usr/sbin/nginx"
MODULE = os.environ.get("WALLET_SYNC_MODULE") or ""
REDIS = os.environ.get("WALLET_SYNC_REDIS_SERVER") or "/usr/bin/redis-server"
ASAN = os.environ.get("WALLET_SYNC_ASAN", "0") not in ("", "0")

# A sanitizer build is several times slower; deadlines stretch, the behaviour asked for does not.
PATIENCE = 4 if ASAN else 1


def stretched(seconds):
    return seconds * PATIENCE


def rounds(count):
    """How often a race is repeated: fewer times where each round costs more."""
    return max(1, count // PATIENCE)
