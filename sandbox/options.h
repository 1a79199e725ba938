/*
 * options: the command line.
 */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A knob and its value, in the order of the command line. */
struct option_knob {
	const char *name, *value;
};

/* Strings belong to argv. */
struct options {
	const char *state;
	const char *region;
	const char *control; /* NULL: control.sock in the state directory */
	const char *ready;   /* NULL for none, as with the next three */
	const char *events;
	const char *save;
	const char *summary;
	const char **addresses;
	size_t naddresses;
	const char **names;
	size_t nnames;
	unsigned starttls_port, wrapper_port;
	uint64_t keep;
	bool local_names;
	bool production;
	struct option_knob *knobs;
	size_t nknobs;
};

/* Ends the program with status 2 for a command line that can't be, and 0 after
 * --help or --version. */
void options_parse(struct options *, int argc, char **argv);
void options_free(struct options *);

#endif
