/*
 * err: what went wrong, for whoever decides what to do about it.
 *
 * A function that can fail takes a struct err last and leaves it untouched on
 * success. Text is added once per level on the way up (err_context) and logged
 * once, by whoever handles the error.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

enum err_class {
	ERR_LOCAL,	  /* this host: memory, disk, descriptors, a file */
	ERR_CONFIG,	  /* the configuration, or how this host is set up */
	ERR_NET,	  /* connect, read, write, a peer that went away */
	ERR_TIMEOUT,	  /* a deadline passed */
	ERR_TLS,	  /* handshake or certificate */
	ERR_PROTO,	  /* a peer that does not speak its protocol */
	ERR_POLICY,	  /* refused by our own rules */
	ERR_FULL,	  /* no space: disk, or a bound that was set */
	ERR_STATE	  /* the store is not in a state that allows this */
};

struct err {
	enum err_class class;
	char text[512];
};

/* Set class and text; returns -1, so that one can return it. */
int err_set(struct err *, enum err_class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": " and the words of the system's errno value at the end. */
int err_sys(struct err *, enum err_class, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "words: " before the text; the class stays. Returns -1. */
int err_context(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
