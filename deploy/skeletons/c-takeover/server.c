/* A small server whose connections live longer than its processes. On PORT it speaks HTTP/1.1: `/` says which version answers, `/work?ms=N`
 * takes that long, `/events` sends a numbered event ten times a second. On STREAM_PORT it answers each line `N` by `N COUNT`, COUNT counting the
 * connection's lines. On SIGUSR2 it hands all of this over (takeover.h), half-read lines, answers under way and unsent bytes included. */
#define _GNU_SOURCE
#include "conn.h"
#include "takeover.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { MOST = 8192, ROUND = 256, STOP_MS = 5000 };

static struct item {
	int fd;
	enum kind kind;
	struct conn *conn; /* none for a listener */
} items[MOST];
static size_t item_count;
static int64_t stop_by; /* 0: we are not asked to end */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int add(int fd, enum kind kind, struct conn *conn)
{
	if (item_count == MOST)
		return -1;
	items[item_count++] = (struct item){ fd, kind, conn };
	return 0;
}

static void drop(size_t at)
{
	close(items[at].fd);
	free(items[at].conn);
	items[at].fd = -1; /* taken out at the end of the round */
}

static void flush(size_t at)
{
	struct conn *conn = items[at].conn;
	while (conn->out_size > 0) {
		ssize_t sent = send(items[at].fd, conn->out, conn->out_size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (sent < 0) {
			drop(at);
			return;
		}
		conn->out_size -= (uint32_t)sent;
		memmove(conn->out, conn->out + sent, conn->out_size);
	}
	if (conn->leave && conn->due == 0)
		drop(at);
}

static void read_more(size_t at)
{
	struct conn *conn = items[at].conn;
	char waste[256];
	int full = conn->in_size == IN || items[at].kind == EVENTS;
	ssize_t got = full ? recv(items[at].fd, waste, sizeof waste, MSG_DONTWAIT | (items[at].kind == EVENTS ? 0 : MSG_PEEK))
			   : recv(items[at].fd, conn->in + conn->in_size, IN - conn->in_size, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		drop(at);
		return;
	}
	if (!full)
		conn->in_size += (uint32_t)got;
	understand(conn, &items[at].kind);
	flush(at);
}

/* Many a round: with one a round, what came while we could not serve would never be caught up with. */
static void welcome(size_t at)
{
	for (int i = 0; i < ROUND && item_count < MOST; i++) {
		int one = 1, fd = accept4(items[at].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *conn = fd < 0 ? NULL : calloc(1, sizeof *conn);
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (!conn || add(fd, items[at].kind == LISTEN_HTTP ? HTTP : LINES, conn) != 0) {
			free(conn);
			close(fd);
		}
	}
}

static void open_listener(const char *name, enum kind kind)
{
	const char *port = getenv(name), *host = getenv("CUTOVER_ADDRESS");
	if (!port)
		return;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	inet_pton(AF_INET, host ? host : "0.0.0.0", &at.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1024) != 0)
		die(name);
	add(fd, kind, NULL);
}

/* ---- the two sides of a takeover -------------------------------------------- */

static void give(void)
{
	struct takeover_item *all = calloc(item_count + 1, sizeof *all);
	if (!all)
		return;
	for (size_t i = 0; i < item_count; i++) {
		all[i] = (struct takeover_item){ items[i].fd, items[i].kind, 0, NULL };
		all[i].state = pack(items[i].conn, &all[i].size);
		if (!all[i].state)
			die("malloc");
	}
	if (takeover_give(all, item_count, STATE_FORMAT) == TAKEOVER_GIVEN)
		_exit(0);
	for (size_t i = 0; i < item_count; i++)
		free(all[i].state);
	free(all);
}

/* Whether there was something to take. Ends the process when it could not be taken. */
static int take(void)
{
	struct takeover_item *all;
	long count = takeover_take(&all, STATE_FORMAT);
	if (count < 0)
		exit(1);
	for (long i = 0; i < count; i++) {
		int listener = all[i].kind == LISTEN_HTTP || all[i].kind == LISTEN_LINES;
		struct conn *conn = listener ? NULL : unpack(all[i].state, all[i].size);
		if ((!listener && !conn) || add(all[i].fd, all[i].kind, conn) != 0)
			exit(1);
		free(all[i].state);
	}
	if (count > 0 && takeover_go((uint32_t)count) != 0)
		exit(1);
	return count > 0;
}

static void stop(void)
{
	takeover_stop();
	say_goodbye();
	stop_by = now_ms() + STOP_MS;
	for (size_t i = 0; i < item_count; i++) {
		struct conn *conn = items[i].conn;
		/* An idle keep-alive connection is told with its next answer; streams can only be cut: to save them, hand over. */
		if (!conn || items[i].kind == LINES || items[i].kind == EVENTS)
			drop(i);
	}
}

int main(void)
{
	sigset_t signals;
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	read_version();
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL); /* not yet SIGTERM: before we serve it ends us on the spot, and nothing is lost */
	if (!take()) {
		open_listener("PORT", LISTEN_HTTP);
		open_listener("STREAM_PORT", LISTEN_LINES);
		takeover_name(getpid());
	}
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	int told = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), door = -1;
	fprintf(stderr, "version %s serves as %ld with %zu descriptors taken or opened\n", own_version(), (long)getpid(), item_count);

	static struct pollfd polls[MOST + 2];
	for (;;) {
		size_t count = item_count; /* those that come in this round are polled in the next */
		int64_t next = stop_by ? stop_by : -1, now = now_ms();
		for (size_t i = 0; i < count; i++) {
			struct conn *conn = items[i].conn;
			/* While we are full, whoever comes waits with the kernel, and is not sent away. */
			int wanted = conn ? has_room(conn) && conn->in_size < IN : item_count < MOST;
			short events = wanted ? POLLIN : 0;
			polls[i] = (struct pollfd){ items[i].fd, (short)(events | (conn && conn->out_size ? POLLOUT : 0)), 0 };
			if (conn && conn->due && (next < 0 || conn->due < next))
				next = conn->due;
		}
		polls[count] = (struct pollfd){ told, POLLIN, 0 };
		polls[count + 1] = (struct pollfd){ door, POLLIN, 0 };
		int wait = next < 0 ? -1 : next <= now ? 0 : (int)(next - now);
		if (poll(polls, count + 2, wait) < 0 && errno != EINTR)
			die("poll");

		struct signalfd_siginfo got;
		while (read(told, &got, sizeof got) == sizeof got) {
			if (got.ssi_signo == SIGUSR2 && !stop_by)
				door = takeover_start();
			else if (got.ssi_signo == SIGTERM && !stop_by)
				stop();
			else if (got.ssi_signo == SIGCHLD)
				takeover_reap();
		}
		if (!stop_by && door >= 0 && polls[count + 1].revents)
			give(); /* nothing was read in this round yet: what is not in the states is still in the kernel */
		door = takeover_door();
		now = now_ms();
		for (size_t i = 0; i < count; i++) {
			if (items[i].fd >= 0 && !items[i].conn && polls[i].revents)
				welcome(i);
			else if (items[i].fd >= 0 && items[i].conn && (polls[i].revents & (POLLIN | POLLHUP | POLLERR)))
				read_more(i);
			if (items[i].fd >= 0 && items[i].conn && (polls[i].revents & POLLOUT)) {
				flush(i);
				if (items[i].fd >= 0) {
					understand(items[i].conn, &items[i].kind);
					flush(i);
				}
			}
			if (items[i].fd >= 0 && items[i].conn && items[i].conn->due && items[i].conn->due <= now) {
				speak(items[i].conn, &items[i].kind);
				flush(i);
			}
		}
		size_t kept = 0;
		for (size_t i = 0; i < item_count; i++)
			if (items[i].fd >= 0)
				items[kept++] = items[i];
		item_count = kept;
		if (stop_by && (item_count == 0 || now >= stop_by))
			return 0;
	}
}
