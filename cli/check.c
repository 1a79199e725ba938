/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"

/*
 * postern check: runs the parts, prints each finding as soon as it is known
 * (the network may take its time), and counts.
 */

#define JSON_MAX ((size_t)1024 * 1024)

enum level { FINE, WARN, WRONG };

static const struct {
	const char *name;
	enum color color;
} levels[] = {
	[FINE] = { "ok", COLOR_GREEN },
	[WARN] = { "warn", COLOR_YELLOW },
	[WRONG] = { "wrong", COLOR_RED },
};

void
check_area(struct check *c, const char *area)
{
	c->area = area;
	c->area_shown = false;
}

static void
show(struct check *c, enum level level, const char *text, const char *cure)
{
	const struct output *o = &c->cli->out;

	if (!c->area_shown) {
		output_color(o, COLOR_BOLD, c->area);
		output_printf(o, "\n");
		c->area_shown = true;
	}
	output_printf(o, "  ");
	output_color(o, levels[level].color, levels[level].name);
	output_printf(o, "%*s", 7 - (int)strlen(levels[level].name), "");
	output_folded(o, 9, text);
	if (cure != NULL) {
		output_printf(o, "         -> ");
		output_folded(o, 12, cure);
	}
	(void)fflush(o->file);
}

static void
add_json(struct check *c, enum level level, const char *text, const char *cure)
{
	json_open(&c->json, '{');
	json_add_string(&c->json, "area", c->area);
	json_add_string(&c->json, "level", levels[level].name);
	json_add_string(&c->json, "text", text);
	json_add_string(&c->json, "cure", cure);
	json_close(&c->json, '}');
}

static void __attribute__((format(printf, 4, 0))) finding(struct check *c,
    enum level level, const char *cure, const char *fmt, va_list ap)
{
	char text[1500];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	c->warnings += level == WARN;
	c->wrong += level == WRONG;
	if (c->cli->out.json)
		add_json(c, level, text, cure);
	else
		show(c, level, text, cure);
}

void
check_fine(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	finding(c, FINE, NULL, fmt, ap);
	va_end(ap);
}

void
check_warn(struct check *c, const char *cure, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	finding(c, WARN, cure, fmt, ap);
	va_end(ap);
}

void
check_wrong(struct check *c, const char *cure, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	finding(c, WRONG, cure, fmt, ap);
	va_end(ap);
}

static void
summary(struct check *c)
{
	const struct output *o = &c->cli->out;

	if (o->json) {
		json_close(&c->json, ']');
		json_add_int(&c->json, "warnings", c->warnings);
		json_add_int(&c->json, "wrong", c->wrong);
		json_close(&c->json, '}');
		output_json(o, &c->json);
		return;
	}
	output_printf(o, "\n");
	if (c->wrong == 0 && c->warnings == 0)
		output_color(o, COLOR_GREEN, "All is well.");
	else
		output_printf(
		    o, "%u wrong, %u warnings.", c->wrong, c->warnings);
	output_printf(o, "\n");
}

/* A configuration that can't be read is this verb's first finding, not a
 * failure to look. */
static bool
load(struct check *c)
{
	struct err err;

	check_area(c, "Configuration");
	c->conf = conf_load(c->cli->conf_file,
	    CONF_NEED_SES | CONF_NEED_LMTP | CONF_NEED_STORE, &err);
	if (c->conf != NULL)
		return true;
	check_wrong(c,
	    err.class == ERR_CONFIG
		? "mend that line; postern.conf(5) describes every key"
		: "make it with \"postern init\", or name another with -c",
	    "%s", err.text);
	return false;
}

static enum cli_exit
check(struct cli *cli)
{
	struct check c = { .cli = cli };

	buf_init(&c.json, JSON_MAX);
	json_open(&c.json, '{');
	json_key(&c.json, "findings");
	json_open(&c.json, '[');
	if (load(&c)) {
		check_conf(&c);
		check_files(&c);
		check_identities(&c);
		check_rewrite(&c);
		check_sockets(&c);
		check_store(&c);
		check_mta(&c);
		check_milter(&c);
		check_world(&c);
		check_srs(&c);
		check_ses(&c);
		check_trouble(&c);
	}
	summary(&c);
	buf_free(&c.json);
	conf_release(c.conf);
	return c.wrong > 0 ? CLI_WRONG : CLI_DONE;
}

/* The dump's lines, which are "NAME = VALUE" or a comment, as one object. */
static void
dump_json(const struct output *o, char *text)
{
	char *line, *end, *value;
	struct buf json;

	buf_init(&json, JSON_MAX);
	json_open(&json, '{');
	for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		value = strstr(line, " = ");
		if (line[0] == '#' || value == NULL)
			continue;
		*value = '\0';
		json_add_string(&json, line, value + 3);
	}
	json_close(&json, '}');
	output_json(o, &json);
	buf_free(&json);
}

static enum cli_exit
dump(struct cli *cli)
{
	enum cli_exit status = CLI_DONE;
	struct conf *conf = cli_conf(cli, 0, &status);
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	if (conf == NULL)
		return status;
	f = open_memstream(&text, &len);
	if (f != NULL)
		conf_dump(conf, f);
	conf_release(conf);
	if (f == NULL || fclose(f) != 0)
		return cli_fail(
		    cli, &(struct err){ ERR_LOCAL, "no memory for the dump" });
	if (cli->out.json)
		dump_json(&cli->out, text);
	else
		output_printf(&cli->out, "%s", text);
	free(text);
	return CLI_DONE;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	bool want_dump = false;
	const struct cli_option own[] = {
		{ .name = "dump", .flag = &want_dump }, { 0 }
	};
	enum cli_exit status;

	if (!cli_options(cli, own, &argc, argv, &status))
		return status;
	if (argc > 1)
		return cli_usage(cli, "nothing may follow: %s", argv[1]);
	return want_dump ? dump(cli) : check(cli);
}

const struct verb verb_check = {
	.name = "check",
	.summary = "look whether all is well: configuration, host, MTA, SES",
	.usage =
	    "check [--dump] [--json]\n\n"
	    "Looks at the configuration, files and their permissions, the\n"
	    "journal, the MTA's settings, milter and way back of bounces, and\n"
	    "SES: names, each address's TCP, TLS and certificate, and whether\n"
	    "it takes the credentials; and what posternd has found in trouble.\n"
	    "Sends and changes nothing. Every finding has its cause and its\n"
	    "cure; exits 1 when something is wrong. Run it as root, so that it\n"
	    "sees all and can ask as the daemons' user.\n\n"
	    "  --dump   print the configuration in force, and no more\n",
	.run = run,
};
