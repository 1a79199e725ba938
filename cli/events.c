/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cli/control.h"
#include "cli/keeper.h"
#include "core/json.h"
#include "core/json_split.h"
#include "store/event_read.h"
#include "store/event_take.h"

/*
 * postern events ingest: what SES has published, into the journal.
 *
 * Bytes are cut into JSON values, values unwrapped into events, events handed in
 * lots to whoever writes the journal. Nothing is held but one value and one lot.
 * What is bad is named and left out; what was taken before a failure need not
 * be left out next time.
 */
#define RECORD_MAX_BYTES ((size_t)1024 * 1024)
#define CHUNK_BYTES 65536

/*
 * Of one lot, which must fit into a request of posternd's. It has no more
 * events than are taken together, since of one that fails no counts are told.
 */
#define LOT_EVENTS EVENT_TAKE_LOT
#define LOT_BYTES ((size_t)200 * 1024)
#define REQUEST_MAX_BYTES ((size_t)250 * 1024)
#define ANSWER_MAX_BYTES 4096

/* More bad records than this are only counted. */
#define NAMED_MAX 100

struct ingest {
	struct cli *cli;
	const struct conf *conf;
	struct keeper keeper;
	struct event_reader *reader;
	struct event lot[LOT_EVENTS];
	size_t n, bytes;
	struct event_counts counts;
	uint64_t ignored, bad;
	struct buf faults; /* JSON */
	struct err err;	   /* why it can't go on */

	const char *file;
	const struct json_piece *piece; /* in hand */
};

static void
name_bad(struct ingest *in, unsigned element, const char *why)
{
	const struct json_piece *p = in->piece;

	if (++in->bad > NAMED_MAX)
		return;
	json_open(&in->faults, '{');
	json_add_string(&in->faults, "file", in->file);
	json_add_int(&in->faults, "line", (int64_t)p->line);
	json_add_int(&in->faults, "offset", (int64_t)p->offset);
	if (element > 0)
		json_add_int(&in->faults, "element", element);
	json_add_string(&in->faults, "reason", why);
	json_close(&in->faults, '}');
	if (in->cli->out.json)
		return;
	(void)fprintf(stderr, "postern events: %s: line %" PRIu64
		      ", byte %" PRIu64, in->file, p->line, p->offset);
	if (element > 0)
		(void)fprintf(stderr, ", record %u of its list", element);
	(void)fprintf(stderr, ": %s\n", why);
}

static int
read_counts(const char *answer, struct event_counts *sum, struct err *err)
{
	const struct {
		const char *key;
		uint64_t *count;
	} counts[] = { { "taken", &sum->taken }, { "repeated", &sum->repeated },
		{ "unmatched", &sum->unmatched },
		{ "suppressed", &sum->suppressed },
		{ "settled", &sum->settled } };
	int64_t n;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		n = 0;
		if (json_get_int(answer, counts[i].key, &n, err) == -1)
			return -1;
		*counts[i].count += (uint64_t)n;
	}
	return 0;
}

static int
ask_posternd(struct ingest *in)
{
	struct buf request, answer;
	int rc;

	buf_init(&request, REQUEST_MAX_BYTES);
	buf_init(&answer, ANSWER_MAX_BYTES);
	json_open(&request, '{');
	json_add_string(&request, "op", "events");
	json_key(&request, "events");
	json_open(&request, '[');
	for (size_t i = 0; i < in->n; i++)
		event_json(&in->lot[i], &request);
	json_close(&request, ']');
	json_close(&request, '}');
	rc = keeper_ask(&in->keeper, &request, &answer, &in->err);
	if (rc == 0)
		rc = read_counts(answer.data, &in->counts, &in->err);
	buf_free(&request);
	buf_free(&answer);
	return rc;
}

static int
hand_over(struct ingest *in)
{
	int rc = 0;

	if (in->n > 0)
		rc = in->keeper.journal != NULL
		    ? event_take(in->keeper.journal, NULL,
			  &in->conf->events.suppress, in->lot, in->n,
			  CONTROL_WITHIN_US, &in->counts, &in->err)
		    : ask_posternd(in);
	while (in->n > 0)
		event_free(&in->lot[--in->n]);
	in->bytes = 0;
	return rc;
}

static int
take_record(void *arg, unsigned element, struct event *e, const char *why)
{
	struct ingest *in = arg;

	if (e == NULL) {
		/* Parts of a record that was named already. */
		if (in->piece->fragment)
			return 0;
		if (why == NULL)
			in->ignored++;
		else
			name_bad(in, element, why);
		return 0;
	}
	in->lot[in->n++] = *e;
	/* What else there is in an event is short. */
	in->bytes += 1024 + 2 * (e->text != NULL ? strlen(e->text) : 0);
	return in->n == LOT_EVENTS || in->bytes >= LOT_BYTES ? hand_over(in)
							     : 0;
}

static int
take_piece(void *arg, const struct json_piece *p)
{
	struct ingest *in = arg;

	in->piece = p;
	switch (p->kind) {
	case JSON_PIECE_VALUE:
		return event_read(
		    in->reader, p->data, p->len, take_record, in);
	case JSON_PIECE_BROKEN:
		name_bad(in, 0, p->why);
		break;
	case JSON_PIECE_LONG:
		name_bad(in, 0, "it is longer than 1 MB");
		break;
	case JSON_PIECE_NOISE:
		if (event_read_harmless(p->data, p->len))
			in->ignored++;
		else
			name_bad(in, 0, "it is no JSON");
		break;
	}
	return 0;
}

/* What was read is not kept waiting for what is not there yet. */
static int
wait_for_input(struct ingest *in, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return in->n > 0 && poll(&p, 1, 0) == 0 ? hand_over(in) : 0;
}

static int
read_all(struct ingest *in, int fd, struct json_split *split)
{
	char chunk[CHUNK_BYTES];
	ssize_t n;

	for (;;) {
		if (wait_for_input(in, fd) == -1)
			return -1;
		n = read(fd, chunk, sizeof(chunk));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(
			    &in->err, ERR_LOCAL, errno, "%s", in->file);
		if (n == 0)
			return json_split_end(split, take_piece, in);
		if (json_split_feed(
			split, chunk, (size_t)n, take_piece, in) != 0)
			return -1;
	}
}

static int
read_file(struct ingest *in, const char *file)
{
	bool is_stdin = strcmp(file, "-") == 0;
	struct json_split *split;
	int fd, rc;

	in->file = is_stdin ? "standard input" : file;
	fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return err_sys(&in->err, ERR_LOCAL, errno, "%s", file);
	split = json_split_new(RECORD_MAX_BYTES);
	rc = read_all(in, fd, split);
	json_split_free(split);
	if (!is_stdin)
		(void)close(fd);
	return rc;
}

static const struct count {
	const char *key, *words;
	size_t offset;
} shown[] = {
	{ "taken", "taken", offsetof(struct ingest, counts.taken) },
	{ "repeated", "taken before", offsetof(struct ingest, counts.repeated) },
	{ "unmatched", "kept, of no delivery known here",
	    offsetof(struct ingest, counts.unmatched) },
	{ "suppressed", "addresses suppressed",
	    offsetof(struct ingest, counts.suppressed) },
	{ "settled", "deliveries settled",
	    offsetof(struct ingest, counts.settled) },
	{ "ignored", "words of SNS", offsetof(struct ingest, ignored) },
	{ "bad", "bad", offsetof(struct ingest, bad) },
};

static uint64_t
count_of(const struct ingest *in, const struct count *c)
{
	uint64_t n;

	memcpy(&n, (const char *)in + c->offset, sizeof(n));
	return n;
}

static void
print_counts(const struct ingest *in)
{
	const struct output *out = &in->cli->out;
	struct buf json;

	buf_init(&json, in->faults.max + 1024);
	json_open(&json, '{');
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		uint64_t n = count_of(in, &shown[i]);

		json_add_int(&json, shown[i].key, (int64_t)n);
		if (!out->json && (n > 0 || i == 0))
			output_printf(
			    out, "%10" PRIu64 "  %s\n", n, shown[i].words);
	}
	json_key(&json, "faults");
	json_raw(&json, in->faults.data);
	json_close(&json, '}');
	if (out->json)
		output_json(out, &json);
	buf_free(&json);
}

static int
read_files(struct ingest *in, int argc, char **argv)
{
	int rc = 0;

	if (argc == 0)
		rc = read_file(in, "-");
	for (int i = 0; i < argc && rc == 0; i++)
		rc = read_file(in, argv[i]);
	return rc == 0 ? hand_over(in) : rc;
}

static enum cli_exit
ingest(struct cli *cli, const struct conf *conf, int argc, char **argv)
{
	struct ingest in = { .cli = cli, .conf = conf };
	struct err ignored;
	int rc = -1;

	if (keeper_open(&in.keeper, conf, &in.err) == -1)
		return cli_fail(cli, &in.err);
	/* After weeks that may take longer than a request may. */
	if (in.keeper.journal == NULL)
		(void)control_catch_up(conf, &ignored);
	buf_init(&in.faults, (size_t)NAMED_MAX * 8192);
	json_open(&in.faults, '[');
	in.reader = event_reader_new(&in.err);
	if (in.reader != NULL)
		rc = read_files(&in, argc, argv);
	json_close(&in.faults, ']');
	while (in.n > 0)
		event_free(&in.lot[--in.n]);
	print_counts(&in);
	event_reader_free(in.reader);
	buf_free(&in.faults);
	keeper_close(&in.keeper);
	if (rc != 0) {
		(void)cli_fail(cli, &in.err);
		return CLI_NOT_THERE;
	}
	return in.bad > 0 ? CLI_WRONG : CLI_DONE;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	enum cli_exit status;
	struct conf *conf;

	if (!cli_options(cli, NULL, &argc, argv, &status))
		return status;
	if (argc < 2 || strcmp(argv[1], "ingest") != 0)
		return cli_usage(cli, "ingest is needed");
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	status = ingest(cli, conf, argc - 2, argv + 2);
	conf_release(conf);
	return status;
}

const struct verb verb_events = {
	.name = "events",
	.summary = "take what SES reports into the journal",
	.usage =
	    "events ingest [--json] [FILE ... | -]\n\n"
	    "Reads what SES has published of messages, from files or standard\n"
	    "input: records of event publishing or notifications, bare or as\n"
	    "SNS, SQS, EventBridge, Lambda and Firehose wrap them, one after the\n"
	    "other, on lines or not. The same record again changes nothing.\n"
	    "Exits 1 when records were bad, which are named; the others are\n"
	    "taken all the same.\n",
	.run = run,
};
