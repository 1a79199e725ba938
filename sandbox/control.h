/*
 * control: a unix socket on which tests steer the sandbox and wait for what it
 * sees.
 *
 * A command a line; each is answered by one line of JSON, {"ok":true,...} or
 * {"ok":false,"error":"..."}. postern-sandbox(1) lists the commands.
 */
#ifndef SANDBOX_CONTROL_H
#define SANDBOX_CONTROL_H

#include "core/err.h"
#include "sandbox/sandbox.h"

struct control;

/* Listen; a socket that is left over from an earlier run is replaced. NULL and
 * err. */
struct control *control_new(const char *path, struct err *);
int control_start(struct control *, struct sandbox *, struct err *);

/* Remove the socket (the sandbox's stop_fd is readable), and wait for the
 * threads. */
void control_free(struct control *);

#endif
