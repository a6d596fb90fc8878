"""An HTTP server for nginx to send copies of requests to."""

import http.server
import threading


class Recorder:
    """Remembers (method, announced length, body) of what it gets. While `answering` is not set, it does not answer."""

    def __init__(self):
        self.requests = got = []
        self.answering = answering = threading.Event()
        answering.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                announced = int(self.headers.get("Content-Length", 0))
                got.append((self.command, announced, self.rfile.read(announced)))
                answering.wait()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = "http://127.0.0.1:%d" % self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
