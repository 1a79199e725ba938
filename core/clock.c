/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if HAVE_DECL_CLOCK_BOOTTIME
#define CLOCK_STEADY CLOCK_BOOTTIME
#else
#define CLOCK_STEADY CLOCK_MONOTONIC
#endif

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * US_PER_SEC + ts.tv_nsec / 1000;
}

int64_t
clock_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t
clock_mono_us(void)
{
	return read_clock(CLOCK_STEADY);
}

/*
 * Linux gives every boot a random id. Elsewhere the wall time of boot is
 * the best there is; kern.boottime moves with clock steps, so it is rounded to
 * the minute: a step makes a new "boot", which is the safe side.
 */
int64_t
clock_boot_id(void)
{
	char text[64];
	uint64_t id = 0;
	ssize_t n = -1;
	int fd, digits = 0;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	if (n <= 0)
		return (clock_wall_us() - clock_mono_us()) / (60 * US_PER_SEC);
	for (ssize_t i = 0; i < n && digits < 16; i++) {
		unsigned c = (unsigned char)text[i];
		unsigned v = c - '0' < 10 ? c - '0' : (c | 32) - 'a' + 10;

		if (v > 15)
			continue;
		id = id << 4 | v;
		digits++;
	}
	return (int64_t)(id & INT64_MAX);
}

static struct timespec
to_timespec(int64_t us)
{
	return (struct timespec) {
		.tv_sec = (time_t)(us / US_PER_SEC),
		.tv_nsec = (long)(us % US_PER_SEC * 1000),
	};
}

/*
 * Timed waits on a condition run on CLOCK_MONOTONIC, the only steady clock
 * that pthread_condattr_setclock knows everywhere; only the rest of the wait
 * is handed over, so a suspend on the way makes the wait late, never wrong.
 */
static int64_t
waiting_us(int64_t rest_us)
{
	return read_clock(CLOCK_MONOTONIC) + (rest_us > 0 ? rest_us : 0);
}

void
clock_sleep_until(int64_t mono_us)
{
	int64_t rest;
	struct timespec ts;

	while ((rest = mono_us - clock_mono_us()) > 0) {
		ts = to_timespec(rest);
		(void)nanosleep(&ts, NULL);
	}
}

const char *
clock_rfc3339(int64_t wall_us, char buf[CLOCK_RFC3339_LEN])
{
	time_t sec = (time_t)(wall_us / US_PER_SEC);
	struct tm tm;
	size_t n;

	if (gmtime_r(&sec, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	n = strftime(buf, CLOCK_RFC3339_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + n, CLOCK_RFC3339_LEN - n, ".%06dZ",
	    (int)(wall_us % US_PER_SEC));
	return buf;
}

const char *
clock_rfc5322(int64_t wall_us, char buf[CLOCK_RFC5322_LEN])
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t sec = (time_t)(wall_us / US_PER_SEC);
	struct tm tm;

	if (gmtime_r(&sec, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	(void)snprintf(buf, CLOCK_RFC5322_LEN,
	    "%.3s, %d %.3s %d %02d:%02d:%02d +0000", days[tm.tm_wday % 7],
	    tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
	return buf;
}

void
clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int
clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock,
    int64_t until_mono_us)
{
	struct timespec ts;

	if (until_mono_us == INT64_MAX) {
		(void)pthread_cond_wait(cond, lock);
		return 0;
	}
	ts = to_timespec(waiting_us(until_mono_us - clock_mono_us()));
	return pthread_cond_timedwait(cond, lock, &ts) == ETIMEDOUT ? -1 : 0;
}
