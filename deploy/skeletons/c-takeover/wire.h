/* What both sides of a takeover share: the words on the socket and how they go whole. On the socket, each step by the one that is named:
 *   new   "hello" with the format of its state         old   the items in batches: count and bytes with the descriptors, then the states
 *   new   "received": it has all, and touches nothing  old   names the new one as who serves, "go"
 *   new   "serving": from here there is no way back    old   ends
 * The old one that waits in vain stops the new one (SIGSTOP) and then looks whether it said "serving": if so it lets it run and ends, else it ends
 * it and serves on. So there are never two that serve, nor none. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#ifndef TAKEOVER_POINT
#define TAKEOVER_POINT(name) /* tests end or hold the process here */
#endif

enum { BATCH = 250 }; /* the kernel passes 253 descriptors in a message */

enum word { HELLO = 0x63740001, MORE, END, RECEIVED, GO, SERVING };

struct head {
	uint32_t word, number; /* of the state's format, or of all items */
	uint32_t count, bytes; /* MORE: of this batch */
};
struct entry {
	uint32_t kind, size;
};

/* A line on stderr with errno's text, where there is one; -1. */
int complain(const char *what);

/* Where CUTOVER_TAKEOVER is; -1 where no socket can be. */
int socket_address(struct sockaddr_un *at);

/* From now every wait on it ends after 3 s. */
void be_patient(int with);

/* Who is at the other end, if it is our user's; else -1. */
pid_t peer_of(int with);

/* Whole, or -1; descriptors go with the first byte. */
int send_all(int to, const void *data, size_t size, const int *fds, size_t count);
int receive_all(int from, void *data, size_t size);

/* One word with its number; to hear another one is -1. */
int say(int to, enum word word, uint32_t number);
int hear(int from, enum word word, uint32_t number);

#endif
