/*
 * sandbox: what the parts of one postern-sandbox share.
 *
 * Everything here is set up before the first connection is accepted and stays
 * until the last one is gone. Each part owns its lock.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdatomic.h>

struct account;
struct crowd;
struct endpoint;
struct events;
struct faults;
struct limits;
struct listeners;
struct record;
struct settings;

struct sandbox {
	const char *region;
	const char *save_dir; /* where accepted messages are kept, or NULL */
	struct settings *settings;
	struct account *account;
	struct limits *limits;
	struct faults *faults;
	struct record *record;
	struct events *events; /* NULL when nobody asked for them */
	struct endpoint *endpoint;
	struct crowd *crowd;
	atomic_llong granted; /* connections that count against the cap */
	struct listeners *listeners;
	int stop_fd; /* readable once the program is to end */
};

#endif
