/*
 * hostname: what this host calls itself in greetings and header fields.
 */
#ifndef CORE_HOSTNAME_H
#define CORE_HOSTNAME_H

#define HOSTNAME_SIZE 256

/* gethostname(2), or "localhost" where that has nothing to say. Returns host. */
const char *hostname(char host[HOSTNAME_SIZE]);

#endif
