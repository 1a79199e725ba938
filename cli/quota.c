/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/quota.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/ledger.h"

/*
 * postern quota: what is spent and when more may be sent. posternd knows
 * best; without it the journal tells what still counts.
 */
#define ANSWER_MAX_BYTES ((size_t)64 * 1024)

struct ends {
	int64_t *until;
	size_t n, cap;
};

static int
add_end(void *arg, int64_t until)
{
	struct ends *e = arg;

	if (e->n == e->cap) {
		e->cap = e->cap > 0 ? 2 * e->cap : 1024;
		e->until = mem_grow(e->until, e->cap, sizeof(*e->until));
	}
	e->until[e->n++] = until;
	return 0;
}

static int
earlier(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
add_rate(struct buf *out, const char *key, double rate)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%.6g", rate);
	json_key(out, key);
	json_raw(out, rate < 0 ? "null" : text);
}

/* The same answer that posternd gives, as far as the journal knows. */
static void
from_ends(const struct conf *conf, struct ends *e, struct buf *answer)
{
	int64_t daily = conf->quota.daily, next = clock_mono_us();
	char when[CLOCK_RFC3339_LEN];

	json_open(answer, '{');
	add_rate(answer, "rate", conf->quota.rate);
	if (daily >= 0) {
		json_add_int(answer, "daily", daily);
		json_add_int(answer, "spent", (int64_t)e->n);
	}
	json_add_int(answer, "window_us", conf->quota.daily_window);
	if (e->n > 1)
		qsort(e->until, e->n, sizeof(*e->until), earlier);
	if (daily > 0 && (int64_t)e->n >= daily)
		next = e->until[(int64_t)e->n - daily];
	json_add_string(answer, "next_slot",
	    clock_rfc3339(clock_wall_us() + next - clock_mono_us(), when));
	json_close(answer, '}');
}

static int
from_journal(const struct conf *conf, struct buf *answer, struct err *err)
{
	struct ends e = { .n = 0 };
	int rc;

	rc = ledger_read(conf->store.path, conf->quota.daily_window,
	    conf->ses.data_timeout, add_end, &e, err);
	if (rc == 0)
		from_ends(conf, &e, answer);
	free(e.until);
	return rc;
}

int
quota_answer(const struct conf *conf, struct buf *answer, bool *running_r,
    struct err *err)
{
	struct err failed;
	int rc = 0;

	*running_r =
	    control_op(conf, "quota", CONTROL_WITHIN_US, answer, err) == 0;
	if (!*running_r) {
		buf_reset(answer);
		rc = from_journal(conf, answer, &failed);
		if (rc == -1)
			*err = failed;
	}
	while (answer->len > 0 && answer->data[answer->len - 1] == '\n')
		buf_cut(answer, answer->len - 1);
	return rc;
}

/* "" when there is none. */
static const char *
get(const char *answer, const char *key, struct buf *value)
{
	enum json_type type;
	struct err err;

	if (json_get(answer, key, &type, value, &err) == -1 ||
	    type == JSON_ABSENT || type == JSON_NULL)
		buf_reset(value);
	return value->data;
}

static void
print_day(const struct output *out, const char *answer, struct buf *value)
{
	int64_t daily, spent = 0, window = 0;
	struct err err;

	(void)json_get_int(answer, "spent", &spent, &err);
	(void)json_get_int(answer, "window_us", &window, &err);
	if (json_get_int(answer, "daily", &daily, &err) == 1)
		output_field(out, "Day", "%" PRId64 " of %" PRId64
		    " recipients spent (%.0f %%), in any %g h", spent, daily,
		    daily > 0 ? 100.0 * (double)spent / (double)daily : 100.0,
		    (double)window / (3600.0 * (double)US_PER_SEC));
	else
		output_field(out, "Day", "unlimited");
	if (*get(answer, "hold_until", value) != '\0')
		output_field(out, "Held", "SES says that the day is full; next try %s",
		    value->data);
}

/* Nobody reads more of what is measured than three digits. */
static void
print_pace(const struct output *out, const char *measured)
{
	double pace = strtod(measured, NULL);

	output_field(out, "Pace now",
	    pace < 100 ? "%.3g a second" : "%.0f a second", pace);
}

void
quota_print(const struct output *out, const char *answer, const struct err *why)
{
	struct buf value;

	buf_init(&value, ANSWER_MAX_BYTES);
	if (*get(answer, "rate", &value) != '\0')
		output_field(out, "Rate", "%s recipients a second", value.data);
	else
		output_field(out, "Rate", "unlimited");
	if (*get(answer, "pace", &value) != '\0')
		print_pace(out, value.data);
	print_day(out, answer, &value);
	if (*get(answer, "waiting", &value) != '\0')
		output_field(out, "Waiting", "%s", value.data);
	if (*get(answer, "next_slot", &value) != '\0')
		output_field(out, "Next slot", "%s", value.data);
	if (why != NULL)
		output_field(out, "", "from the journal: %s", why->text);
	buf_free(&value);
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	enum cli_exit status;
	struct buf answer;
	struct conf *conf;
	bool running;
	struct err err;

	if (!cli_options(cli, NULL, &argc, argv, &status))
		return status;
	if (argc > 1)
		return cli_usage(cli, "quota takes no operand");
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	buf_init(&answer, ANSWER_MAX_BYTES);
	if (quota_answer(conf, &answer, &running, &err) == -1) {
		status = cli_fail(cli, &err);
	} else {
		if (cli->out.json)
			output_json(&cli->out, &answer);
		else
			quota_print(
			    &cli->out, answer.data, running ? NULL : &err);
		status = CLI_DONE;
	}
	buf_free(&answer);
	conf_release(conf);
	return status;
}

const struct verb verb_quota = {
	.name = "quota",
	.summary = "what is spent, and when more may be sent",
	.usage = "quota [--json]\n\n"
		 "Shows the rate, the pace that is kept now, how much of the\n"
		 "rolling day is spent, and the next slot. Asks posternd; when it\n"
		 "does not answer, the journal.\n",
	.run = run,
};
