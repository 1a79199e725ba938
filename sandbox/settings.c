/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/settings.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"

/*
 * A word each, without a lock: sessions read several of them for every reply,
 * and no two of them have to fit together.
 */
struct settings {
	_Atomic int64_t values[SETTING_COUNT];
};

struct settings *
settings_new(void)
{
	static const int64_t initial[SETTING_COUNT] = {
		[SETTING_IDLE_TIMEOUT] = 10 * US_PER_SEC,
		/* Unpublished; one sender counted about 350. */
		[SETTING_SESSION_MESSAGES] = 350,
		[SETTING_MESSAGE_SIZE] = 40 * 1024 * 1024,
		[SETTING_RECIPIENTS] = 50,
		[SETTING_SANDBOX] = 1,
		[SETTING_EASY_DKIM] = 1,
	};
	struct settings *s = mem_new(sizeof(*s));

	for (int i = 0; i < SETTING_COUNT; i++)
		atomic_init(&s->values[i], initial[i]);
	return s;
}

void
settings_free(struct settings *s)
{
	free(s);
}

int64_t
settings_get(const struct settings *s, enum setting key)
{
	return atomic_load_explicit(&s->values[key], memory_order_relaxed);
}

void
settings_set(struct settings *s, enum setting key, int64_t value)
{
	atomic_store_explicit(&s->values[key], value, memory_order_relaxed);
}
