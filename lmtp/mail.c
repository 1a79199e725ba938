/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/mail.h"

#include <stdlib.h>

#include "core/mem.h"

struct mail *
mail_new(struct message *message)
{
	struct mail *m = mem_new(sizeof(*m));

	m->refs = 1;
	m->message = message_hold(message);
	buf_init(&m->head, 0);
	return m;
}

void
mail_release(struct mail *m)
{
	if (m == NULL || atomic_fetch_sub(&m->refs, 1) > 1)
		return;
	message_release(m->message);
	buf_free(&m->head);
	free(m->received);
	free(m->tags);
	free(m);
}
