/* What a connection is and what it says: what an author of a service changes first. */
#ifndef CONN_H
#define CONN_H

#include <stddef.h>
#include <stdint.h>

#ifndef STATE_FORMAT
#define STATE_FORMAT 1
#endif
enum { IN = 2048, OUT = 1 << 16 };
enum kind { LISTEN_HTTP = 1, LISTEN_LINES, HTTP, LINES, EVENTS };

/* All that a connection is; it goes over as it stands. Change it, and STATE_FORMAT goes up by one: the old version then keeps its connections. */
struct conn {
	uint64_t count;    /* LINES: lines so far. EVENTS: number of the next event */
	int64_t due;       /* when the next thing is to be said, on CLOCK_MONOTONIC, which all processes share; 0: nothing is */
	uint32_t in_size;  /* bytes read and not understood yet */
	uint32_t out_size; /* bytes to be sent */
	uint32_t leave;    /* close when all is sent */
	char in[IN];
	char out[OUT];
};

int64_t now_ms(void);

/* Answers what was read so far, as far as it is whole; the rest waits, also across a takeover. May turn HTTP into EVENTS. */
void understand(struct conn *conn, enum kind *kind);

/* It is due: says what is to be said now. */
void speak(struct conn *conn, enum kind *kind);

/* From now HTTP answers say `Connection: close`, so that clients go elsewhere by themselves. */
void say_goodbye(void);

/* Whether more may be read: not while much is unsent. */
int has_room(const struct conn *conn);

/* The state of a connection as bytes of its own (free them), and back; none when it is not one. */
void *pack(const struct conn *conn, uint32_t *size);
struct conn *unpack(const char *state, uint32_t size);

/* Of the program that runs: the file `version` beside it. */
void read_version(void);
const char *own_version(void);

#endif
