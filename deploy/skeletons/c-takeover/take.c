/* The new one's side of takeover.h: it takes everything from the process that started it, and touches nothing before it is told to go. */
#define _GNU_SOURCE
#include "takeover.h"

#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int other = -1; /* the connection to the old one */

static long fail(const char *what)
{
	complain(what);
	close(other);
	return other = -1;
}

static long receive_batch(const struct head *head, const int *fds, struct takeover_item *items)
{
	struct entry entries[BATCH];
	if (receive_all(other, entries, sizeof *entries * head->count) != 0)
		return -1;
	for (uint32_t i = 0; i < head->count; i++) {
		if (entries[i].size > head->bytes)
			return -1;
		items[i] = (struct takeover_item){ fds[i], entries[i].kind, entries[i].size, malloc(entries[i].size + 1) };
		if (!items[i].state || receive_all(other, items[i].state, entries[i].size) != 0)
			return -1;
	}
	return (long)head->count;
}

/* The head of the next batch and its descriptors, as many as it says. */
static int receive_head(struct head *head, int *fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * BATCH)];
	} control;
	struct iovec part = { head, sizeof *head };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control };
	size_t got = 0;
	ssize_t size;
	do {
		errno = 0;
		size = recvmsg(other, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	} while (size < 0 && errno == EINTR);
	if (size != sizeof *head)
		return -1;
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	if (rights && rights->cmsg_type == SCM_RIGHTS) {
		got = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(rights), got * sizeof(int));
	}
	if (message.msg_flags & MSG_CTRUNC) /* our own limit of open files is too low */
		return -1;
	return head->word == END ? 0 : head->word == MORE && head->count == got && got <= BATCH ? 0 : -1;
}

long takeover_take(struct takeover_item **items, uint32_t format)
{
	struct sockaddr_un at;
	const char *from = getenv("CUTOVER_TAKEOVER_FROM");
	if (!from)
		return 0;
	if (socket_address(&at) != 0)
		return -1;
	other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	be_patient(other);
	TAKEOVER_POINT("started");
	if (connect(other, (struct sockaddr *)&at, sizeof at) != 0)
		return fail(at.sun_path);
	errno = 0;
	if (peer_of(other) != atol(from))
		return fail("somebody else sits at the socket");
	if (say(other, HELLO, format) != 0)
		return fail("the old one does not answer");
	struct takeover_item *all = NULL;
	long count = 0;
	for (;;) {
		struct head head;
		int fds[BATCH];
		if (receive_head(&head, fds) != 0)
			return fail("the old one kept its connections (does it know this format of state? are there enough descriptors?)");
		if (head.word == END) {
			if (head.number != (uint32_t)count)
				return fail("connections are missing");
			break;
		}
		struct takeover_item *more = realloc(all, sizeof *all * ((size_t)count + head.count));
		if (!more)
			return fail("no memory");
		all = more;
		if (receive_batch(&head, fds, all + count) < 0)
			return fail("the old one stopped in the middle");
		count += head.count;
	}
	*items = all;
	TAKEOVER_POINT("received");
	return count;
}

int takeover_go(uint32_t count)
{
	if (say(other, RECEIVED, count) != 0)
		return (int)fail("the old one does not answer");
	TAKEOVER_POINT("waits");
	if (hear(other, GO, 0) != 0)
		return (int)fail("the old one kept its connections");
	TAKEOVER_POINT("told");
	if (say(other, SERVING, 0) != 0)
		return (int)fail("the old one does not answer");
	TAKEOVER_POINT("took");
	close(other);
	other = -1;
	return 0;
}
