/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/control.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/stream.h"
#include "store/place.h"
#include "store/search.h"

/*
 * One request a connection. Catching up after weeks may take posternd a
 * while, hence the long deadline.
 */
#define CONNECT_US (5 * US_PER_SEC)
#define CATCH_UP_US (600 * US_PER_SEC)
#define ANSWER_MAX_BYTES ((size_t)1024 * 1024)

static int
connect_unix(const char *path, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sun.sun_path))
		return err_set(err, ERR_CONFIG, "%s: too long a path", path);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	return stream_connect((struct sockaddr *)&sun, sizeof(sun),
	    clock_mono_us() + CONNECT_US, err);
}

static int
read_answer(struct stream *s, struct buf *answer, struct err *err)
{
	const char *line;
	size_t len;
	int rc;

	rc = stream_line(s, ANSWER_MAX_BYTES, &line, &len, err);
	if (rc == 0)
		return err_set(
		    err, ERR_NET, "posternd hung up instead of answering");
	if (rc == 1)
		buf_add(answer, line, len);
	return rc == 1 ? 0 : -1;
}

static int
judge(const char *answer, struct err *err)
{
	enum json_type type;
	struct buf text;
	int rc;

	buf_init(&text, ANSWER_MAX_BYTES);
	rc = json_get(answer, "ok", &type, &text, err);
	if (rc == 0 && (type != JSON_BOOL || strcmp(text.data, "true") != 0)) {
		rc = json_get_string(answer, "error", &text, err);
		if (rc != -1)
			rc = err_set(err, ERR_STATE, "%s",
			    rc == 1 ? text.data : "posternd said no");
	}
	buf_free(&text);
	return rc;
}

int
control_ask(const struct conf *conf, const char *request, int64_t within_us,
    struct buf *answer, struct err *err)
{
	int fd = connect_unix(conf->daemon.control, err), rc;
	struct stream *s;

	if (fd == -1) {
		err->class = ERR_NET;
		return err_context(err, "posternd");
	}
	s = stream_new(fd);
	stream_deadline(s, clock_mono_us() + within_us);
	stream_printf(s, "%s\n", request);
	buf_reset(answer);
	rc = stream_flush(s, err);
	if (rc == 0)
		rc = read_answer(s, answer, err);
	stream_free(s);
	return rc == 0 ? judge(answer->data, err) : rc;
}

int
control_op(const struct conf *conf, const char *op, int64_t within_us,
    struct buf *answer, struct err *err)
{
	struct buf request;
	int rc;

	buf_init(&request, 256);
	json_open(&request, '{');
	json_add_string(&request, "op", op);
	json_close(&request, '}');
	rc = control_ask(conf, request.data, within_us, answer, err);
	buf_free(&request);
	return rc;
}

static int
catch_up(const struct conf *conf, const char *request, int64_t within_us,
    int64_t deadline_us, struct err *err)
{
	struct buf answer;
	struct err asking;
	uint64_t rows;
	int fd, rc;

	if (access(conf->store.path, F_OK) == -1)
		return 0; /* whoever reads the journal says so better */
	if (store_lock(conf->store.path, &fd, err) == 0) {
		rc = search_catch_up_until(
		    conf->store.path, deadline_us, &rows, err);
		(void)close(fd);
		return rc;
	}
	buf_init(&answer, ANSWER_MAX_BYTES);
	rc = control_ask(conf, request, within_us, &answer, &asking);
	buf_free(&answer);
	if (rc == -1 && err->class == ERR_STATE)
		*err = asking;
	return rc;
}

int
control_catch_up(const struct conf *conf, struct err *err)
{
	return catch_up(conf, "{\"op\":\"search-catch-up\"}", CATCH_UP_US,
	    INT64_MAX, err);
}

int
control_catch_up_soon(const struct conf *conf, struct err *err)
{
	return catch_up(conf, "{\"op\":\"search-catch-up\",\"now\":true}",
	    CONTROL_SOON_US, clock_mono_us() + CONTROL_SOON_US, err);
}
