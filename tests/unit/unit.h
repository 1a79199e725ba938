/*
 * unit: what every unit test begins with. cmocka.h leaves its own includes to
 * its users.
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Words that a message must contain. */
#define assert_contains(text, words)                                         \
	do {                                                                 \
		if (strstr(text, words) == NULL)                             \
			fail_msg("\"%s\" is not in \"%s\"", words, text); \
	} while (0)

#endif
