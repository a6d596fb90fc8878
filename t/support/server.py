"""The whole server: a Redis, an nginx with the module, and the way from one to the other."""

import os

from support.api import Api1
from support.nginx import Nginx
from support.redis import Redis
from support.wait import until


class Server:
    """address: how nginx finds Redis (default: its unix socket); redis_options: parameters of the directive; kind: Nginx or Daemon."""

    def __init__(self, directory, accounts="open", address=None, redis_options="", redis_conf=(), http="",
                 kind=Nginx, **nginx):
        self.redis = Redis(os.path.join(directory, "redis"), redis_conf)
        address = address or self.redis.unix_address
        directives = f"wallet_sync_redis {address} {redis_options};\n    "
        if accounts:
            directives += f"wallet_sync_accounts {accounts};\n    "
        self.nginx = kind(os.path.join(directory, "nginx"), http=directives + http, **nginx)

    def start(self):
        try:
            if not self.redis.running:
                self.redis.start()
            self.nginx.start()
        except BaseException:
            self.nginx.kill()
            self.redis.kill()
            raise
        return self

    @property
    def port(self):
        return self.nginx.port

    @property
    def api(self):
        return Api1(self.port)

    def stop(self):
        """Ends both; a connection that nginx leaves behind, or a line in its log, is a failure."""
        try:
            if self.nginx.running:
                self.nginx.quit()
                if self.redis.running:
                    self.redis.thaw()
                    until(lambda: not self.redis.clients(), "nginx leaves no connection to Redis")
            else:
                self.nginx.assert_clean()
        finally:
            self.redis.kill()
