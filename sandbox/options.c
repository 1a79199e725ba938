/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "sandbox/knobs.h"

/*
 * Options that only a start can set stand here; all others are knobs, which
 * come from their own table.
 */
enum id {
	OPT_STATE = 256,
	OPT_REGION,
	OPT_CONTROL,
	OPT_READY,
	OPT_EVENTS,
	OPT_SAVE,
	OPT_SUMMARY,
	OPT_ADDRESS,
	OPT_NAME,
	OPT_NO_LOCAL_NAMES,
	OPT_STARTTLS_PORT,
	OPT_WRAPPER_PORT,
	OPT_KEEP,
	OPT_PRODUCTION,
	OPT_HELP,
	OPT_VERSION,
	OPT_KNOB = 1000 /* and upwards */
};

enum { OPTIONS_MAX = 64 };

struct start_option {
	enum id id;
	const char *name, *arg, *help;
};

static const struct start_option start_options[] = {
	{ OPT_STATE, "state", "DIR",
	    "CA, credentials and control socket [./postern-sandbox.state]" },
	{ OPT_REGION, "region", "NAME", "[us-east-1]" },
	{ OPT_ADDRESS, "address", "IP",
	    "listen there [127.0.0.1] (may be repeated)" },
	{ OPT_STARTTLS_PORT, "starttls-port", "N",
	    "0 lets the kernel choose [2587]" },
	{ OPT_WRAPPER_PORT, "wrapper-port", "N",
	    "TLS from the first byte, 0 lets the kernel choose [2465]" },
	{ OPT_NAME, "name", "HOST",
	    "a further name in the certificate (may be repeated)" },
	{ OPT_NO_LOCAL_NAMES, "no-local-names", NULL,
	    "leave localhost, 127.0.0.1 and ::1 out of the certificate" },
	{ OPT_PRODUCTION, "production", NULL,
	    "the limits of an account that has left the sandbox" },
	{ OPT_READY, "ready", "FILE",
	    "write ports and paths there (JSON) when ready" },
	{ OPT_CONTROL, "control", "PATH",
	    "control socket [control.sock in the state directory]" },
	{ OPT_EVENTS, "events", "FILE", "append event records there" },
	{ OPT_SAVE, "save", "DIR",
	    "keep each accepted message there, as ID.eml" },
	{ OPT_SUMMARY, "summary", "FILE",
	    "write the summary there at the end; - is standard output" },
	{ OPT_KEEP, "keep", "N",
	    "messages, refusals and violations that the summary lists "
	    "[100000]" },
	{ OPT_HELP, "help", NULL, "" },
	{ OPT_VERSION, "version", NULL, "" },
};

#define NSTART (sizeof(start_options) / sizeof(start_options[0]))

static void
print_option(const char *name, const char *arg, const char *help)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "--%s%s%s", name,
	    arg != NULL ? " " : "", arg != NULL ? arg : "");
	(void)printf("  %-28s %s\n", left, help);
}

static _Noreturn void
help(void)
{
	const char *name, *arg, *text;

	(void)printf("usage: postern-sandbox [option ...]\n"
		     "Amazon SES's SMTP endpoint, for trying things out.\n\n");
	for (size_t i = 0; i < NSTART; i++)
		print_option(start_options[i].name, start_options[i].arg,
		    start_options[i].help);
	(void)printf("\nThese can also be changed through the control socket "
		     "(set NAME VALUE):\n\n");
	for (size_t i = 0; knob_describe(i, &name, &arg, &text); i++)
		print_option(name, arg, text);
	exit(0);
}

static _Noreturn void
usage(const char *what, const char *value)
{
	(void)fprintf(stderr,
	    "postern-sandbox: %s%s%s\n"
	    "Try postern-sandbox --help.\n",
	    what, value != NULL ? ": " : "", value != NULL ? value : "");
	exit(2);
}

static uint64_t
number(const char *name, const char *value, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long n = strtoull(value, &end, 10);

	if (*value < '0' || *value > '9' || *end != '\0' || n < min || n > max)
		usage(name, value);
	return n;
}

static void
append(const char ***list, size_t *n, const char *value)
{
	*list = mem_grow(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = value;
}

static void
append_knob(struct options *o, const char *name, const char *value)
{
	o->knobs = mem_grow(o->knobs, o->nknobs + 1, sizeof(*o->knobs));
	o->knobs[o->nknobs++] = (struct option_knob){ name, value };
}

static void
take(struct options *o, enum id id, const char *value)
{
	switch (id) {
	case OPT_STATE:
		o->state = value;
		break;
	case OPT_REGION:
		o->region = value;
		break;
	case OPT_CONTROL:
		o->control = value;
		break;
	case OPT_READY:
		o->ready = value;
		break;
	case OPT_EVENTS:
		o->events = value;
		break;
	case OPT_SAVE:
		o->save = value;
		break;
	case OPT_SUMMARY:
		o->summary = value;
		break;
	case OPT_ADDRESS:
		append(&o->addresses, &o->naddresses, value);
		break;
	case OPT_NAME:
		append(&o->names, &o->nnames, value);
		break;
	case OPT_NO_LOCAL_NAMES:
		o->local_names = false;
		break;
	case OPT_STARTTLS_PORT:
		o->starttls_port =
		    (unsigned)number("--starttls-port", value, 0, 65535);
		break;
	case OPT_WRAPPER_PORT:
		o->wrapper_port =
		    (unsigned)number("--wrapper-port", value, 0, 65535);
		break;
	case OPT_KEEP:
		o->keep = number("--keep", value, 1, 100000000);
		break;
	case OPT_PRODUCTION:
		o->production = true;
		break;
	case OPT_HELP:
		help();
	case OPT_VERSION:
		(void)printf("postern-sandbox %s\n", PACKAGE_VERSION);
		exit(0);
	case OPT_KNOB:
		break;
	}
}

static size_t
build_table(struct option *table)
{
	const char *name, *arg, *text;
	size_t n = 0;

	for (size_t i = 0; i < NSTART; i++)
		table[n++] = (struct option){ start_options[i].name,
			start_options[i].arg != NULL, NULL,
			(int)start_options[i].id };
	for (size_t i = 0;
	     knob_describe(i, &name, &arg, &text) && n < OPTIONS_MAX - 1; i++)
		table[n++] =
		    (struct option){ name, 1, NULL, OPT_KNOB + (int)i };
	table[n] = (struct option){ NULL, 0, NULL, 0 };
	return n;
}

void
options_parse(struct options *o, int argc, char **argv)
{
	struct option table[OPTIONS_MAX];
	const char *name, *arg, *text;
	int c;

	*o = (struct options){
		.state = "postern-sandbox.state",
		.region = "us-east-1",
		.starttls_port = 2587,
		.wrapper_port = 2465,
		.keep = 100000,
		.local_names = true,
	};
	(void)build_table(table);
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (c == '?')
			usage("see above", NULL);
		if (c < OPT_KNOB) {
			take(o, (enum id)c, optarg);
			continue;
		}
		(void)knob_describe((size_t)(c - OPT_KNOB), &name, &arg, &text);
		append_knob(o, name, optarg);
	}
	if (optind < argc)
		usage("no argument is expected", argv[optind]);
	if (o->naddresses == 0)
		append(&o->addresses, &o->naddresses, "127.0.0.1");
}

void
options_free(struct options *o)
{
	free(o->addresses);
	free(o->names);
	free(o->knobs);
}
