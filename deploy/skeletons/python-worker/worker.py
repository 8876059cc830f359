"""A queue worker that can be taken out of service: it consumes while it is ready, and lets go of what it has not begun.

At least once is what RabbitMQ promises; jobs.py makes the effect of each job happen once. A job is acknowledged when its effect is
committed. While the not-ready file is there, and from SIGTERM on, it consumes no more: what waits in this process goes back to
the queue, what was begun is finished. After SIGTERM it ends then.
"""

import functools
import os
import pathlib
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pika
from pika.exceptions import AMQPError

from jobs import Jobs
from memory import Memory
from status_page import serve_status

THREADS = int(os.environ.get("THREADS", "4"))
ROOT = pathlib.Path(os.environ.get("CUTOVER_ROOT", "/srv/cutover/python-worker"))
STATE = pathlib.Path(os.environ.get("STATE", "/var/lib/python-worker"))
NOT_READY = ROOT / "not-ready"


class Worker:
    def __init__(self):
        self.jobs = Jobs(STATE / "jobs.sqlite")
        self.memory = Memory(STATE / "memory.json")
        self.pool = ThreadPoolExecutor(max_workers=THREADS)
        self.in_hand = {}  # delivery tag → future, of this connection; only the main thread touches it
        self.channel = None
        self.consumer = None
        self.stopping = False

    def is_ready(self):
        return not self.stopping and not NOT_READY.exists()

    def run(self):
        announced = False
        while not self.stopping:
            try:
                with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
                    self.channel = connection.channel()
                    self.channel.queue_declare(os.environ.get("QUEUE", "jobs"), durable=True)
                    self.channel.basic_qos(prefetch_count=2 * THREADS)
                    if not announced:
                        announced = announce()
                    self.work(connection)
            except (AMQPError, OSError) as error:
                # The broker gives everything that we had to somebody again; jobs.py knows what was done already.
                say(f"the broker is away: {error!r}")
                self.forget()
                time.sleep(1)
        self.pool.shutdown()
        self.memory.save()
        say(f"ended: {self.memory.totals}")

    def work(self, connection):
        while not self.stopping or self.in_hand:
            if self.is_ready() and self.consumer is None:
                self.consumer = self.channel.basic_consume(os.environ.get("QUEUE", "jobs"), self.begin)
            elif not self.is_ready() and self.consumer is not None:
                self.let_go()
            connection.process_data_events(time_limit=0.1)

    def begin(self, channel, method, properties, body):
        tag = method.delivery_tag
        if method.redelivered:
            self.memory.count("redelivered")
        if self.consumer is None:  # it came while the consumer was being cancelled
            return self.give_back(tag)
        future = self.pool.submit(self.jobs.do, properties.message_id, body)
        self.in_hand[tag] = future
        finished = functools.partial(self.finish, channel, tag)
        future.add_done_callback(lambda done: done.cancelled() or soon(channel.connection, functools.partial(finished, done)))

    def finish(self, channel, tag, done):
        if channel is not self.channel or self.in_hand.pop(tag, None) is None:
            return  # of a connection that was lost: the broker has given it to somebody again
        if done.exception() is not None:
            say(f"a job failed and goes back: {done.exception()!r}")
            return self.give_back(tag)
        channel.basic_ack(tag)
        self.memory.count("done" if done.result() else "repeated")

    def let_go(self):
        consumer, self.consumer = self.consumer, None
        self.channel.basic_cancel(consumer)
        for tag, future in list(self.in_hand.items()):
            if future.cancel():
                del self.in_hand[tag]
                self.give_back(tag)

    def give_back(self, tag):
        self.channel.basic_nack(tag, requeue=True)
        self.memory.count("requeued")

    def forget(self):
        for future in self.in_hand.values():
            future.cancel()
        self.in_hand, self.consumer, self.channel = {}, None, None


def soon(connection, call):
    """From any thread: have the connection's own thread make this call."""
    try:
        connection.add_callback_threadsafe(call)
    except AMQPError:
        pass  # it is gone, and with it whom to tell


def announce():
    """Where host.sh is the process manager, it waits for this file."""
    path = os.environ.get("CUTOVER_PID_FILE")
    if path is not None:
        pathlib.Path(f"{path}.new").write_text(f"{os.getpid()}\n")
        os.replace(f"{path}.new", path)
    say(f"serves as {os.getpid()}")
    return True


def say(text):
    print(f"worker {os.getpid()}: {text}", file=sys.stderr, flush=True)


def main():
    STATE.mkdir(parents=True, exist_ok=True)
    worker = Worker()

    def stop(*_):
        worker.stopping = True

    signal.signal(signal.SIGTERM, stop)
    serve_status(int(os.environ.get("STATUS_PORT", "9100")), worker)
    worker.run()


if __name__ == "__main__":
    main()
