/* takeover: a process gives its listeners and its established connections, each with its state, to the one that replaces it.
 *
 * The old one calls takeover_start when it is asked to upgrade, polls what that returns beside its own descriptors and, when it is
 * readable, stops touching its connections and calls takeover_give. The new one calls takeover_take before it listens by itself.
 * Until the new one has everything and has been told to go, nothing is lost whoever dies: the old one serves on. */
#ifndef TAKEOVER_H
#define TAKEOVER_H

#include <stddef.h>
#include <stdint.h>

struct takeover_item {
	int fd;           /* a listener or a connection */
	uint32_t kind;    /* what it is: yours to choose */
	uint32_t size;    /* bytes of state */
	void *state;      /* as you need it to go on: counters, bytes read and not understood, bytes not sent; no pointers */
};

enum takeover_end {
	TAKEOVER_KEPT,    /* serve on; the new one got nothing that counts */
	TAKEOVER_GIVEN    /* leave at once and touch nothing: all is the other's */
};

/* Starts CUTOVER_START, which finds us at the socket CUTOVER_TAKEOVER. Returns what to poll, or -1 with a line on stderr. */
int takeover_start(void);

/* Who connected gets the items, if it is our user's and speaks `format`, the number of your state's layout. Blocks, 3 s at most. */
enum takeover_end takeover_give(const struct takeover_item *items, size_t count, uint32_t format);

/* Ends an upgrade that has come to nothing: the new one is ended, the socket goes. */
void takeover_stop(void);

/* Call it on SIGCHLD: a new one that ended early is forgotten. */
void takeover_reap(void);

/* What to poll; -1 while nobody is asked for. */
int takeover_door(void);

/* Takes what the process that started us has: the number of items, each with fd and state of its own (free it), or 0 when nobody
 * started us to take over. Call takeover_go when all of them are in your tables. Returns -1 when it cannot be; end then. */
long takeover_take(struct takeover_item **items, uint32_t format);

/* 0: all `count` items are ours from now. -1: they are not, and must not be touched; end. */
int takeover_go(uint32_t count);

/* Says who serves: to the process manager's pid file (CUTOVER_PID_FILE) and to systemd (NOTIFY_SOCKET). */
void takeover_name(long pid);

#endif
