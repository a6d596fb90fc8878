"""Other modules of Debian's nginx beside ours."""

import os

import pytest

from support import settings

FOLDER = "/usr/lib/nginx/modules"


def load_modules(*names):
    """The directives that load them, behind ours; the test is skipped where they cannot be loaded."""
    files = [os.path.join(FOLDER, name) for name in names]
    if settings.NGINX != "/usr/sbin/nginx" or not settings.MODULE:
        pytest.skip("Debian's modules fit Debian's nginx alone")
    for file in files:
        if not os.path.exists(file):
            pytest.skip(f"there is no {file}")
    return "".join(f"load_module {file};\n" for file in files)


def load_lua():
    """https://github.com/openresty/lua-nginx-module"""
    return load_modules("ndk_http_module.so", "ngx_http_lua_module.so")
