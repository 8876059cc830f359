/* See wire.h. */
#define _GNU_SOURCE
#include "wire.h"

#include "takeover.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int complain(const char *what)
{
	fprintf(stderr, "takeover: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
	return -1;
}

int socket_address(struct sockaddr_un *at)
{
	const char *path = getenv("CUTOVER_TAKEOVER");
	memset(at, 0, sizeof *at);
	at->sun_family = AF_UNIX;
	errno = 0;
	if (!path || strlen(path) >= sizeof at->sun_path)
		return complain("CUTOVER_TAKEOVER names no socket that could be");
	strcpy(at->sun_path, path);
	return 0;
}

int send_all(int to, const void *data, size_t size, const int *fds, size_t count)
{
	const char *at = data;
	while (size > 0) {
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(sizeof(int) * BATCH)];
		} control;
		struct iovec part = { (void *)at, size };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
		if (count > 0) {
			message.msg_control = control.space;
			message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
			struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
			rights->cmsg_level = SOL_SOCKET;
			rights->cmsg_type = SCM_RIGHTS;
			rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
			memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
		}
		ssize_t sent = sendmsg(to, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		at += sent, size -= (size_t)sent, count = 0;
	}
	return 0;
}

int receive_all(int from, void *data, size_t size)
{
	char *at = data;
	while (size > 0) {
		ssize_t got = recv(from, at, size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			if (got == 0)
				errno = 0;
			return -1;
		}
		at += got, size -= (size_t)got;
	}
	return 0;
}

int say(int to, enum word word, uint32_t number)
{
	struct head head = { word, number, 0, 0 };
	return send_all(to, &head, sizeof head, NULL, 0);
}

int hear(int from, enum word word, uint32_t number)
{
	struct head head;
	errno = 0;
	return receive_all(from, &head, sizeof head) == 0 && head.word == word && head.number == number ? 0 : -1;
}

void be_patient(int with)
{
	struct timeval patience = { 3, 0 };
	setsockopt(with, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(with, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

pid_t peer_of(int with)
{
	struct ucred who;
	socklen_t size = sizeof who;
	if (getsockopt(with, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != geteuid())
		return -1;
	return who.pid;
}

static void tell_pid_file(long pid)
{
	char fresh[4096];
	const char *path = getenv("CUTOVER_PID_FILE");
	if (!path)
		return;
	snprintf(fresh, sizeof fresh, "%s.%ld", path, (long)getpid());
	FILE *file = fopen(fresh, "we");
	errno = 0;
	if (!file || fprintf(file, "%ld\n", pid) < 0 || fclose(file) != 0 || rename(fresh, path) != 0)
		complain(path);
}

static void tell_systemd(long pid)
{
	char text[64];
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	if (!path || strlen(path) >= sizeof to.sun_path)
		return;
	strcpy(to.sun_path, path);
	if (*path == '@')
		to.sun_path[0] = '\0';
	int by = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int size = snprintf(text, sizeof text, "MAINPID=%ld\nREADY=1\n", pid);
	errno = 0;
	if (sendto(by, text, (size_t)size, MSG_NOSIGNAL, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
		complain(path);
	close(by);
}

void takeover_name(long pid)
{
	tell_pid_file(pid);
	tell_systemd(pid);
}
