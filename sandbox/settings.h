/*
 * settings: numbers that may change while the sandbox runs.
 *
 * Each is read on its own and takes effect with the next reply. Safe from any
 * thread.
 */
#ifndef SANDBOX_SETTINGS_H
#define SANDBOX_SETTINGS_H

#include <stdint.h>

enum setting {
	SETTING_LATENCY,	  /* us before each reply */
	SETTING_IDLE_TIMEOUT,	  /* us without a byte from the client */
	SETTING_SESSION_MESSAGES, /* per connection; 0: no cap */
	SETTING_CONNECTIONS,	  /* at once; 0: no cap */
	SETTING_MESSAGE_SIZE,	  /* bytes */
	SETTING_RECIPIENTS,	  /* per message */
	SETTING_SANDBOX,	  /* are unverified recipients refused? */
	SETTING_PAUSED,		  /* is the account's sending paused? */
	SETTING_EASY_DKIM,	  /* does SES add a DKIM-Signature? */
	SETTING_COUNT
};

struct settings;

/* The values of a new SES account. */
struct settings *settings_new(void);
void settings_free(struct settings *);

int64_t settings_get(const struct settings *, enum setting);
void settings_set(struct settings *, enum setting, int64_t);

#endif
