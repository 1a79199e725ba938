/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/summary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"
#include "sandbox/fault.h"
#include "sandbox/limits.h"
#include "sandbox/record.h"

#define SUMMARY_MAX ((size_t)1024 * 1024 * 1024)

void
summary_json(struct sandbox *sb, uint64_t since, struct buf *out)
{
	json_open(out, '{');
	json_add_string(out, "region", sb->region);
	json_add_int(out, "wall_us", clock_wall_us());
	json_add_int(out, "mono_us", clock_mono_us());
	json_key(out, "counters");
	record_counters_json(sb->record, out);
	json_key(out, "violations_by_kind");
	record_kinds_json(sb->record, out);
	json_key(out, "limits");
	limits_json(sb->limits, out);
	json_key(out, "faults");
	faults_json(sb->faults, out);
	json_key(out, "messages");
	record_list_json(sb->record, RECORD_MESSAGES, since, out);
	json_key(out, "refusals");
	record_list_json(sb->record, RECORD_REFUSALS, since, out);
	json_key(out, "violations");
	record_list_json(sb->record, RECORD_VIOLATIONS, since, out);
	json_close(out, '}');
}

static int
write_file(const char *file, const char *text, struct err *err)
{
	char *tmp = mem_printf("%s.%ld", file, (long)getpid());
	FILE *f = fopen(tmp, "we");
	int rc = 0;

	if (f == NULL) {
		rc = err_sys(err, ERR_LOCAL, errno, "%s", tmp);
		free(tmp);
		return rc;
	}
	if (fprintf(f, "%s\n", text) < 0)
		rc = err_sys(err, ERR_LOCAL, errno, "%s", tmp);
	if (fclose(f) == EOF && rc == 0)
		rc = err_sys(err, ERR_LOCAL, errno, "%s", tmp);
	if (rc == 0 && rename(tmp, file) == -1)
		rc = err_sys(err, ERR_LOCAL, errno, "%s", file);
	if (rc == -1)
		(void)unlink(tmp);
	free(tmp);
	return rc;
}

int
summary_write(struct sandbox *sb, const char *file, struct err *err)
{
	struct buf out;
	int rc = 0;

	buf_init(&out, SUMMARY_MAX);
	summary_json(sb, 0, &out);
	if (file[0] == '-' && file[1] == '\0')
		rc = printf("%s\n", out.data) < 0 || fflush(stdout) == EOF
			 ? err_sys(err, ERR_LOCAL, errno, "standard output")
			 : 0;
	else
		rc = write_file(file, out.data, err);
	buf_free(&out);
	return rc;
}
