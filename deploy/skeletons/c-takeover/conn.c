/* See conn.h. */
#define _GNU_SOURCE
#include "conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EVENT_MS = 100 };
#define SMALL offsetof(struct conn, in)

static char version[64] = "unknown";
static int leaving;

void read_version(void)
{
	char path[4096];
	ssize_t size = readlink("/proc/self/exe", path, sizeof path - 16);
	if (size <= 0)
		return;
	path[size] = '\0';
	strcpy(strrchr(path, '/'), "/version");
	FILE *file = fopen(path, "re");
	if (file && fgets(version, sizeof version, file))
		version[strcspn(version, "\n")] = '\0';
	if (file)
		fclose(file);
}

const char *own_version(void)
{
	return version;
}

void say_goodbye(void)
{
	leaving = 1;
}

int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int has_room(const struct conn *conn)
{
	return conn->out_size < OUT / 2;
}

static void put(struct conn *conn, const char *text)
{
	size_t size = strlen(text);
	if (conn->out_size + size > OUT)
		return; /* cannot be: nothing is read while so much is unsent */
	memcpy(conn->out + conn->out_size, text, size);
	conn->out_size += (uint32_t)size;
}

static void answer(struct conn *conn)
{
	char body[160], text[400];
	snprintf(body, sizeof body, "c-takeover %s pid %ld\n", version, (long)getpid());
	if (leaving)
		conn->leave = 1;
	snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s", strlen(body),
		conn->leave ? "close" : "keep-alive", body);
	put(conn, text);
}

static void request(struct conn *conn, enum kind *kind, const char *head)
{
	int ms = 0;
	if (strcasestr(head, "\r\nConnection: close"))
		conn->leave = 1;
	if (sscanf(head, "GET /work?ms=%d", &ms) == 1 && ms >= 0) {
		conn->due = now_ms() + ms;
	} else if (strncmp(head, "GET /events ", 12) == 0) {
		*kind = EVENTS;
		conn->count = 1;
		conn->due = now_ms();
		put(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n");
	} else if (strncmp(head, "GET / ", 6) == 0) {
		answer(conn);
	} else {
		conn->leave = 1;
		put(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	}
}

void understand(struct conn *conn, enum kind *kind)
{
	while (conn->due == 0 && has_room(conn) && !conn->leave) {
		const char *mark = *kind == LINES ? "\n" : "\r\n\r\n";
		char *end = memmem(conn->in, conn->in_size, mark, strlen(mark));
		if (!end) {
			if (conn->in_size == IN)
				conn->leave = 1;
			return;
		}
		size_t size = (size_t)(end - conn->in) + strlen(mark);
		char head[IN + 1], text[IN + 32];
		memcpy(head, conn->in, size);
		head[size] = '\0';
		conn->in_size -= (uint32_t)size;
		memmove(conn->in, conn->in + size, conn->in_size);
		if (*kind == LINES) {
			snprintf(text, sizeof text, "%.*s %llu\n", (int)size - 1, head, (unsigned long long)++conn->count);
			put(conn, text);
		} else {
			request(conn, kind, head);
		}
	}
}

void speak(struct conn *conn, enum kind *kind)
{
	char text[128];
	if (*kind != EVENTS) {
		conn->due = 0;
		answer(conn);
		understand(conn, kind);
		return;
	}
	snprintf(text, sizeof text, "id: %llu\ndata: c-takeover %s\n\n", (unsigned long long)conn->count, version);
	if (has_room(conn)) {
		put(conn, text);
		conn->count++;
	}
	conn->due += EVENT_MS;
}

void *pack(const struct conn *conn, uint32_t *size)
{
	*size = conn ? (uint32_t)(SMALL + conn->in_size + conn->out_size) : 0; /* its buffers only as far as they are used */
	char *state = malloc(*size + 1);
	if (state && conn) {
		memcpy(state, conn, SMALL);
		memcpy(state + SMALL, conn->in, conn->in_size);
		memcpy(state + SMALL + conn->in_size, conn->out, conn->out_size);
	}
	return state;
}

struct conn *unpack(const char *state, uint32_t size)
{
	struct conn *conn = calloc(1, sizeof *conn);
	if (!conn || size < SMALL)
		return NULL;
	memcpy(conn, state, SMALL);
	if (conn->in_size > IN || conn->out_size > OUT || size != SMALL + conn->in_size + conn->out_size)
		return NULL;
	memcpy(conn->in, state + SMALL, conn->in_size);
	memcpy(conn->out, state + SMALL + conn->in_size, conn->out_size);
	return conn;
}
