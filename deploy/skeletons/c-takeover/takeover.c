/* The old one's side of takeover.h: it starts its successor, gives it everything, and serves on when that comes to nothing. */
#define _GNU_SOURCE
#include "takeover.h"

#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELLO_MS = 200 };

static int door = -1; /* the listening socket, while we are asked to hand over */
static int bound;     /* its path is there */
static pid_t child;

int takeover_start(void)
{
	struct sockaddr_un at;
	struct stat place;
	const char *start = getenv("CUTOVER_START");
	char folder[sizeof at.sun_path], from[32];
	takeover_stop();
	errno = 0;
	if (!start)
		return complain("CUTOVER_START does not say what to start");
	if (socket_address(&at) != 0)
		return -1;
	strcpy(folder, at.sun_path);
	*strrchr(folder, '/') = '\0';
	if (lstat(folder, &place) != 0)
		return complain(folder);
	if (!S_ISDIR(place.st_mode) || place.st_uid != geteuid() || (place.st_mode & 077))
		return complain("others can reach the directory of CUTOVER_TAKEOVER");
	unlink(at.sun_path);
	door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bound = door >= 0 && bind(door, (struct sockaddr *)&at, sizeof at) == 0;
	if (!bound || listen(door, 4) != 0) {
		complain(at.sun_path);
		takeover_stop();
		return -1;
	}
	snprintf(from, sizeof from, "%ld", (long)getpid());
	child = fork();
	if (child == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setenv("CUTOVER_TAKEOVER_FROM", from, 1);
		execl(start, start, (char *)NULL);
		complain(start);
		_exit(127);
	}
	if (child < 0) {
		child = 0;
		complain("fork");
		takeover_stop();
	}
	return door;
}

static void forget_path(void)
{
	struct sockaddr_un at;
	if (bound && socket_address(&at) == 0)
		unlink(at.sun_path);
	bound = 0;
}

int takeover_door(void)
{
	return door;
}

void takeover_reap(void)
{
	if (child > 0 && waitpid(child, NULL, WNOHANG) == child) {
		child = 0;
		takeover_stop();
	}
}

void takeover_stop(void)
{
	forget_path();
	if (door >= 0)
		close(door);
	door = -1;
	if (child > 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	child = 0;
}

static int send_items(int to, const struct takeover_item *items, size_t count)
{
	for (size_t first = 0; first < count; first += BATCH) {
		size_t these = count - first < BATCH ? count - first : BATCH;
		struct head head = { MORE, 0, (uint32_t)these, 0 };
		struct entry entries[BATCH];
		int fds[BATCH];
		for (size_t i = 0; i < these; i++) {
			const struct takeover_item *item = &items[first + i];
			fds[i] = item->fd;
			entries[i].kind = item->kind;
			entries[i].size = item->size;
			head.bytes += item->size;
		}
		if (send_all(to, &head, sizeof head, fds, these) != 0 || send_all(to, entries, sizeof *entries * these, NULL, 0) != 0)
			return -1;
		for (size_t i = 0; i < these; i++)
			if (send_all(to, items[first + i].state, items[first + i].size, NULL, 0) != 0)
				return -1;
	}
	return say(to, END, (uint32_t)count);
}

/* Until it is stopped or gone: only then it can be told what it has said last. Who is no child of ours is not waited for. */
static void hold(pid_t who)
{
	siginfo_t how;
	kill(who, SIGSTOP);
	while (waitid(P_PID, (id_t)who, &how, WSTOPPED | WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
}

/* Whether the word is there already; waits for nothing. */
static int said_serving(int to)
{
	struct head head;
	while (recv(to, &head, sizeof head, MSG_DONTWAIT) == sizeof head)
		if (head.word == SERVING)
			return 1;
	return 0;
}

enum takeover_end takeover_give(const struct takeover_item *items, size_t count, uint32_t format)
{
	int to = accept4(door, NULL, NULL, SOCK_CLOEXEC);
	if (to < 0)
		return TAKEOVER_KEPT;
	errno = 0;
	pid_t who = peer_of(to);
	struct pollfd greeting = { to, POLLIN, 0 };
	if (who < 0)
		complain("refused a stranger");
	be_patient(to);
	if (who < 0 || poll(&greeting, 1, HELLO_MS) != 1 || hear(to, HELLO, format) != 0) {
		close(to); /* it may try again; one that cannot read our state ends, and its end is seen */
		return TAKEOVER_KEPT;
	}
	int named = 0;
	if (send_items(to, items, count) == 0 && hear(to, RECEIVED, (uint32_t)count) == 0) {
		named = 1;
		forget_path(); /* it may be asked to hand over itself as soon as it serves */
		takeover_name(who); /* who serves must be known to who watches us before we end */
		if (say(to, GO, 0) == 0 && hear(to, SERVING, 0) == 0)
			return TAKEOVER_GIVEN;
	}
	/* It died, it hangs, it is at fault, or it is late. */
	int why = errno;
	TAKEOVER_POINT("impatient");
	hold(who);
	if (named && said_serving(to)) {
		kill(who, SIGCONT);
		return TAKEOVER_GIVEN;
	}
	if (named)
		takeover_name(getpid()); /* before it dies: whoever watches us would take the end of the one it was told for the end of all */
	kill(who, SIGKILL);
	close(to);
	errno = why;
	complain("the new one did not take over; serving on");
	takeover_stop();
	return TAKEOVER_KEPT;
}
