"""What nginx's ./configure and ./run say when they are given what they cannot use."""

import json
import os
import pathlib
import re
import shlex
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NGINX_SRC = pathlib.Path("/usr/share/nginx/src")


def configure(tmp_path, *options, module=ROOT, **environment):
    """Runs nginx's ./configure with our module; answers its exit status and what it said."""
    done = subprocess.run(
        ["./configure", f"--builddir={tmp_path}/objs", f"--add-dynamic-module={module}", *options],
        cwd=NGINX_SRC, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def run(*options, cwd="/"):
    done = subprocess.run(
        [ROOT / "run", *options], cwd=cwd, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    return done.returncode, done.stderr


def test_configure_accepts_a_relative_directory(tmp_path):
    status, said = configure(
        tmp_path, "--with-compat", "--with-threads", module=os.path.relpath(ROOT, NGINX_SRC))
    assert status == 0, said
    assert "ngx_http_wallet_sync_module was configured" in said


def test_configure_without_threads_names_the_option_to_add(tmp_path):
    status, said = configure(tmp_path)
    assert status != 0
    assert said.splitlines()[-1].endswith("add --with-threads")


def test_configure_names_the_debian_packages_of_missing_libraries(tmp_path):
    status, said = configure(
        tmp_path, "--with-threads", PKG_CONFIG_LIBDIR=str(tmp_path), PKG_CONFIG_PATH="")
    assert status != 0
    assert said.splitlines()[-1].endswith(
        "please install libhiredis-dev libyajl-dev libcurl4-openssl-dev libssl-dev")


@pytest.mark.parametrize("wanted", ["", "NO"], ids=["by default", "switched off"])
def test_configure_finds_the_optional_library_for_scrypt_unless_told_not_to(tmp_path, wanted):
    status, said = configure(tmp_path, "--with-compat", "--with-threads", WALLET_SYNC_SCRYPT_KDF=wanted)
    assert status == 0, said
    makefile = (tmp_path / "objs" / "Makefile").read_text()
    assert ("checking for libscrypt-kdf ... found" in said) == (not wanted), said
    assert ("-lscrypt-kdf" in makefile) == (not wanted)
    assert f"-DWALLET_SYNC_SCRYPT_KDF={'OFF' if wanted else 'ON'}" in makefile


@pytest.mark.parametrize("wanted", ["", "1"], ids=["by default", "for developers"])
def test_only_developers_are_stopped_by_a_warning(tmp_path, wanted):
    status, said = configure(tmp_path, "--with-compat", "--with-threads", WALLET_SYNC_WERROR=wanted)
    assert status == 0, said
    assert f"-DWALLET_SYNC_WERROR={'ON' if wanted else 'OFF'} " in (tmp_path / "objs" / "Makefile").read_text()
    flags = subprocess.run(["cmake", "-S", ROOT, "-B", tmp_path / "cmake", f"-DWALLET_SYNC_WERROR={wanted or 'OFF'}"],
                           capture_output=True, check=True, timeout=120) and (tmp_path / "cmake/compile_commands.json").read_text()
    assert ("-Werror" in flags) == bool(wanted)


def test_configure_goes_on_without_the_optional_library_for_scrypt(tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\ncase "$*" in *-lscrypt-kdf*) exit 1 ;; esac\nexec gcc "$@"\n')
    compiler.chmod(0o755)
    status, said = configure(tmp_path, "--with-compat", "--with-threads", f"--with-cc={compiler}")
    assert status == 0, said
    assert "checking for libscrypt-kdf ... not found" in said
    makefile = (tmp_path / "objs" / "Makefile").read_text()
    assert "-lscrypt-kdf" not in makefile and "-DWALLET_SYNC_SCRYPT_KDF=OFF" in makefile


def test_configure_refuses_a_compiler_without_coroutines(tmp_path):
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    status, said = configure(tmp_path, "--with-threads", CXX=str(compiler))
    assert status != 0
    assert "does not compile C++20 coroutines" in said.splitlines()[-1]


def compile_commands(tmp_path, *options):
    """{file: its compiler's words}: make's own command that configures the C++, run."""
    status, said = configure(tmp_path, "--with-compat", "--with-threads", *options)
    assert status == 0, said
    archive = f"{tmp_path}/objs/wallet_sync/libngx_wallet_sync.a"
    recipe = subprocess.run(["make", "-n", "-f", f"{tmp_path}/objs/Makefile", archive], cwd=NGINX_SRC, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    command = re.search(r"^cmake (?:.*\\\n)*.*$", recipe, re.MULTILINE)[0]
    subprocess.run(["sh", "-c", command], cwd=NGINX_SRC, check=True, stdout=subprocess.DEVNULL)
    entries = json.loads((tmp_path / "objs/wallet_sync/compile_commands.json").read_text())
    return {pathlib.Path(entry["file"]).name: shlex.split(entry["command"]) for entry in entries}


def test_macros_that_may_change_nginxs_structures_reach_the_cpp_too(tmp_path):
    cc_opt = (r"-DNGX_TEST_A -D NGX_TEST_B=2 -DNGX_TEST_C=\"a\ b\" -UNGX_TEST_D -D_FORTIFY_SOURCE=3 -Wno-error -O3 -m64 "
              "-I/opt/test/include -Isrc/stream -include /dev/null")
    commands = compile_commands(tmp_path, f"--with-cc-opt={cc_opt}")
    module, protocol = commands["worker.cpp"], commands["json.cpp"]
    text = " ".join(module)
    for flag in ("-D NGX_TEST_A", "-D NGX_TEST_B=2", '-D NGX_TEST_C="a b"', "-U NGX_TEST_D", "-isystem /opt/test/include",
                 f"-isystem {NGINX_SRC}/src/stream", "-include /dev/null", f"-isystem {tmp_path}/objs"):
        assert flag in text, text
    assert "-m64" in module and "-m64" in protocol, "what changes the machine is for all"
    assert "NGX_TEST_A" not in " ".join(protocol), "src/ knows nothing of nginx"
    assert not {"-D_FORTIFY_SOURCE=3", "-Wno-error", "-O3"} & set(module)
    assert f"-I{ROOT}/ngx_module" in module and f"-isystem {ROOT}/ngx_module" not in text, "our headers are looked at as strictly as ever"


def test_without_options_the_cpp_gets_what_it_needs(tmp_path):
    module = compile_commands(tmp_path)["worker.cpp"]
    assert str(NGINX_SRC / "src/core") in module and f"{tmp_path}/objs" in module


def test_an_nginx_with_an_openssl_of_its_own_is_refused(tmp_path):
    status, said = configure(tmp_path, "--with-threads", "--with-http_ssl_module", "--with-openssl=/usr/src/openssl")
    assert status != 0
    assert said.splitlines()[-1].endswith("leave out --with-openssl=/usr/src/openssl")


def test_run_refuses_an_unknown_option_in_one_line():
    status, said = run("--colour")
    assert status != 0
    assert said == "run: unknown option '--colour'; see ./run --help\n"


@pytest.mark.parametrize("option, value, advice", [
    ("--port", "0", "1 to 65535"),
    ("--workers", "many", "1 to 999"),
    ("--accounts", "closed", "open, whitelist:"),
    ("--redis", "nowhere", "HOST:PORT or unix:/PATH"),
    ("--user", "no-such-user", "no such user"),
])
def test_run_says_what_to_write_instead_of_a_wrong_value(option, value, advice):
    status, said = run(option, value)
    assert status != 0
    assert len(said.splitlines()) == 1
    assert option in said and advice in said


def test_run_refuses_a_port_in_use_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        status, said = run("--port", str(port), "--dir", str(tmp_path / "state"))
    assert status != 0
    assert said == f"run: port {port} of 127.0.0.1 is in use; choose another one with --port\n"


def test_run_refuses_a_redis_that_does_not_answer_in_one_line(tmp_path):
    socket_path = tmp_path / "no.sock"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    status, said = run("--port", str(port), "--dir", str(tmp_path / "state"), "--redis", f"unix:{socket_path}")
    assert status != 0
    assert len(said.splitlines()) == 1
    assert said.startswith(f"run: no usable Redis at unix:{socket_path}: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root's socket is below /run")
def test_run_refuses_a_directory_too_deep_for_a_unix_socket(tmp_path):
    deep = tmp_path / ("d" * 100)
    status, said = run("--dir", str(deep))
    assert status != 0
    assert len(said.splitlines()) == 1
    assert "107 bytes" in said
    assert not deep.exists()
