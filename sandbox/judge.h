/*
 * judge: what SES says after the dot, once for the whole message.
 */
#ifndef SANDBOX_JUDGE_H
#define SANDBOX_JUDGE_H

#include <stdint.h>

struct body;
struct fields;
struct session;

struct verdict {
	const char *reason; /* NULL: accepted */
	char reply[2048];   /* when refused */
	int64_t mono_us;    /* when the limits were judged, if they were */
	char set[66];	    /* configuration set in force; "" for none */
};

/* Judge the session's transaction. What is accepted has been paid for. */
void judge(struct session *, const struct body *, const struct fields *,
    struct verdict *);

#endif
