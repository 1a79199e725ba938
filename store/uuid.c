/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal.h"

#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/crypto.h"

/*
 * UUIDv7, RFC 9562 section 5.7: 48 bits of milliseconds, version, 12 bits,
 * variant, 62 bits. The 12 bits count within a millisecond (section 6.2, method
 * 1), from a random start in the lower half so that there is room; when they
 * run over, or the clock stands behind the last id, time is borrowed from the
 * next millisecond. So ids never fall, which keeps tables keyed by them growing
 * at their end.
 */
static pthread_mutex_t uuid_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_ms;
static unsigned last_count;

struct uuid
uuid_new(void)
{
	struct uuid u;
	uint64_t ms = (uint64_t)(clock_wall_us() / US_PER_MS);
	unsigned count;

	crypto_random(u.bytes, sizeof(u.bytes));
	count = (unsigned)(u.bytes[6] << 8 | u.bytes[7]) & 0x7ff;
	(void)pthread_mutex_lock(&uuid_lock);
	if (ms <= last_ms) {
		ms = last_ms;
		count = last_count + 1;
		if (count > 0xfff) {
			ms++;
			count = 0;
		}
	}
	last_ms = ms;
	last_count = count;
	(void)pthread_mutex_unlock(&uuid_lock);
	for (int i = 5; i >= 0; i--, ms >>= 8)
		u.bytes[i] = (unsigned char)ms;
	u.bytes[6] = (unsigned char)(0x70 | count >> 8);
	u.bytes[7] = (unsigned char)count;
	u.bytes[8] = (unsigned char)(0x80 | (u.bytes[8] & 0x3f));
	return u;
}

int64_t
uuid_time_us(const struct uuid *u)
{
	int64_t ms = 0;

	for (size_t i = 0; i < 6; i++)
		ms = ms << 8 | u->bytes[i];
	return ms * US_PER_MS;
}

struct uuid
uuid_at_us(int64_t wall_us)
{
	int64_t ms = wall_us > 0 ? wall_us / US_PER_MS : 0;
	struct uuid u = { .bytes = { 0 } };

	for (int i = 5; i >= 0; i--, ms >>= 8)
		u.bytes[i] = (unsigned char)ms;
	return u;
}

/* A hyphen stands before these bytes: 8-4-4-4-12 digits. */
static int
hyphen_before(size_t i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

const char *
uuid_text(const struct uuid *u, char text[UUID_TEXT_LEN])
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;

	for (size_t i = 0; i < UUID_LEN; i++) {
		if (hyphen_before(i))
			*p++ = '-';
		*p++ = digits[u->bytes[i] >> 4];
		*p++ = digits[u->bytes[i] & 15];
	}
	*p = '\0';
	return text;
}

int
uuid_parse(const char *text, struct uuid *uuid_r)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *high, *low;
	struct uuid u;

	if (strlen(text) != UUID_TEXT_LEN - 1)
		return -1;
	for (size_t i = 0; i < UUID_LEN; i++) {
		if (hyphen_before(i) && *text++ != '-')
			return -1;
		high = strchr(digits, text[0]);
		low = strchr(digits, text[1]);
		if (high == NULL || low == NULL || *high == '\0' ||
		    *low == '\0')
			return -1;
		u.bytes[i] = (unsigned char)(((high - digits) & 15) << 4 |
		    ((low - digits) & 15));
		text += 2;
	}
	*uuid_r = u;
	return 0;
}
