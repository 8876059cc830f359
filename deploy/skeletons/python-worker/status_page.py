"""What others look at, on a loopback port: /live, /ready, /metrics; and POST /save, which the task save-memory asks for."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve_status(port, worker):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/live":
                return self.answer(200, "alive\n")
            if self.path == "/ready":
                return self.answer(200, "ready\n") if worker.is_ready() else self.answer(503, "not ready\n")
            if self.path == "/metrics":
                return self.answer(200, metrics(worker))
            return self.answer(404, "not here\n")

        def do_POST(self):
            if self.path != "/save":
                return self.answer(404, "not here\n")
            worker.memory.save()
            return self.answer(200, "saved\n")

        def answer(self, status, text):
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def metrics(worker):
    lines = [f'jobs_total{{what="{what}"}} {count}' for what, count in sorted(worker.memory.totals.items())]
    # A consumer that has not been cancelled yet may take a job at any moment: as long as there is one, this worker is not idle.
    waiting = 0 if worker.consumer is None else 1
    return "\n".join([f"jobs_in_flight {len(worker.in_hand) + waiting}", *lines, ""])
