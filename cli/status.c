/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <inttypes.h>
#include <string.h>

#include "cli/check.h"
#include "cli/control.h"
#include "cli/quota.h"
#include "core/json.h"

/*
 * postern status: how posternd is doing right now, from its own mouth; what it
 * has open breakers for is trouble. postern check looks at the rest.
 */

#define ANSWER_MAX_BYTES ((size_t)1024 * 1024)

static void
number(const struct output *out, const char *answer, const char *key,
    const char *name, const char *unit)
{
	struct err err;
	int64_t n;

	if (json_get_int(answer, key, &n, &err) == 1)
		output_field(out, name, "%" PRId64 " %s", n, unit);
}

static int
breaker(const struct output *out, const char *one, struct err *err)
{
	struct buf what, cause, probe;
	int rc = -1;

	buf_init(&what, ANSWER_MAX_BYTES);
	buf_init(&cause, ANSWER_MAX_BYTES);
	buf_init(&probe, ANSWER_MAX_BYTES);
	if (json_get_string(one, "what", &what, err) != -1 &&
	    json_get_string(one, "cause", &cause, err) != -1 &&
	    json_get_string(one, "next_probe", &probe, err) != -1) {
		rc = 0;
		output_field(out, "Trouble", "%s: %s (tried again at %s)",
		    what.data, cause.data, probe.data);
		output_field(out, "", "-> %s",
		    check_trouble_cure(what.data, cause.data));
	}
	buf_free(&what);
	buf_free(&cause);
	buf_free(&probe);
	return rc;
}

/* How many are open, said unless out is NULL; or -1 and err. */
static int
breakers(const struct output *out, const char *status, struct err *err)
{
	struct buf list, one;
	enum json_type type;
	const char *at;
	int n = 0, rc;

	buf_init(&list, ANSWER_MAX_BYTES);
	buf_init(&one, ANSWER_MAX_BYTES);
	rc = json_get(status, "breakers", &type, &list, err);
	at = list.data;
	while (rc != -1 && (rc = json_next(&at, &type, &one, err)) == 1) {
		n++;
		if (out != NULL)
			rc = breaker(out, one.data, err);
	}
	buf_free(&list);
	buf_free(&one);
	return rc == -1 ? -1 : n;
}

static int
print(const struct output *out, const char *quota, const char *status,
    struct err *err)
{
	int open;

	quota_print(out, quota, NULL);
	number(out, status, "under_way", "Under way", "deliveries");
	number(out, status, "sessions", "Sessions", "of the mail server");
	open = breakers(out, status, err);
	if (open == 0)
		output_field(out, "Trouble", "none that posternd knows of");
	return open;
}

static int
print_json(const struct output *out, const char *quota, const char *status,
    struct err *err)
{
	struct buf json;

	buf_init(&json, ANSWER_MAX_BYTES);
	json_open(&json, '{');
	json_key(&json, "quota");
	json_raw(&json, quota);
	json_key(&json, "status");
	json_raw(&json, status);
	json_close(&json, '}');
	output_json(out, &json);
	buf_free(&json);
	return breakers(NULL, status, err);
}

static int
answer(struct cli *cli, const struct conf *conf, struct err *err)
{
	const struct output *out = &cli->out;
	struct buf quota, status;
	bool running;
	int open = -1;

	buf_init(&quota, ANSWER_MAX_BYTES);
	buf_init(&status, ANSWER_MAX_BYTES);
	if (control_op(conf, "status", CONTROL_WITHIN_US, &status, err) == 0 &&
	    quota_answer(conf, &quota, &running, err) == 0) {
		buf_cut(&status, strcspn(status.data, "\n"));
		open = out->json ? print_json(out, quota.data, status.data, err)
				 : print(out, quota.data, status.data, err);
	}
	buf_free(&quota);
	buf_free(&status);
	return open;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	enum cli_exit status;
	struct conf *conf;
	struct err err;
	int open;

	if (!cli_options(cli, NULL, &argc, argv, &status))
		return status;
	if (argc > 1)
		return cli_usage(cli, "nothing may follow: %s", argv[1]);
	conf = cli_conf(cli, 0, &status);
	if (conf == NULL)
		return status;
	open = answer(cli, conf, &err);
	conf_release(conf);
	return open == -1 ? cli_fail(cli, &err)
	       : open > 0 ? CLI_WRONG
			  : CLI_DONE;
}

const struct verb verb_status = {
	.name = "status",
	.summary = "how posternd is doing: pace, what waits, open breakers",
	.usage =
	    "status [--json]\n\n"
	    "Asks posternd for its pace, what is spent of the day, what\n"
	    "waits, and what it has found in trouble, with the cure. Exits 1\n"
	    "when there is trouble, 3 when posternd does not answer;\n"
	    "\"postern check\" looks for the reason.\n",
	.run = run,
};
