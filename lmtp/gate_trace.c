/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/gate_parts.h"

#include <string.h>
#include <strings.h>

#include "core/header_scan.h"

/*
 * A Received field ends with "id QUEUEID" among its clauses (RFC 5321 section
 * 4.4), wherever the MTA puts it:
 *
 *	by mx.example.org (Postfix) with ESMTPS id 4Xyz12 for <a@b>; DATE
 *	by mx.example.org (Postfix, from userid 1000) id 4Xyz12; DATE
 *	by mx.example.org (8.17.1/8.17.1) with ESMTP id 5AH123; DATE
 *	by mx.example.org with esmtps (Exim 4.96) id 1rAbcD-000123-2z; DATE
 *
 * Anyone can write Received fields, so what is taken for an id is bounded and
 * of characters that MTAs use in theirs.
 */

#define ID_MAX 64 /* Exim's have 23, Google's some 50 */
#define VALUE_MAX 4096
#define IDS_MAX ((1 + GATE_QUEUE_IDS) * (ID_MAX + 1))

static bool
is_id(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((s[i] < '0' || s[i] > '9') && (s[i] < 'A' || s[i] > 'Z') &&
		    (s[i] < 'a' || s[i] > 'z') && s[i] != '-' && s[i] != '.' &&
		    s[i] != '_')
			return false;
	return len > 0 && len <= ID_MAX;
}

/* The next word outside comments, up to the semicolon before the date. */
static bool
next_word(struct header_scan *s, const char **word_r, size_t *len_r)
{
	if (header_scan_cfws(s) == -1 || s->p == s->end || *s->p == ';')
		return false;
	*word_r = s->p;
	do
		s->p += header_scan_char(s);
	while (s->p < s->end && !header_scan_is_blank(*s->p) &&
	    *s->p != '(' && *s->p != ';');
	*len_r = (size_t)(s->p - *word_r);
	return true;
}

/* XFORWARD's is that of the last hop's Received field as well. */
static bool
is_listed(const struct buf *list, const char *id, size_t len)
{
	const char *p = list->data, *end = list->data + list->len;
	size_t n;

	for (; p < end; p += n + 1) {
		n = strcspn(p, " ");
		if (n == len && memcmp(p, id, len) == 0)
			return true;
	}
	return false;
}

/* The word after "id" that comes last: "from" and "by" clauses may name a host
 * "id", and the real one comes after them. */
static void
add_id(const struct header_field *f, struct buf *out)
{
	struct header_scan s;
	const char *word, *id = NULL;
	size_t len, id_len = 0;
	bool after = false;

	header_scan_init(&s, f->value,
	    f->value_len < VALUE_MAX ? f->value_len : VALUE_MAX);
	while (next_word(&s, &word, &len)) {
		if (after && is_id(word, len)) {
			id = word;
			id_len = len;
		}
		after = !after && len == 2 && strncasecmp(word, "id", 2) == 0;
	}
	if (id == NULL || is_listed(out, id, id_len))
		return;
	if (out->len > 0)
		buf_addc(out, ' ');
	buf_add(out, id, id_len);
}

size_t
gate_trace(struct gate *g)
{
	size_t n = 0;

	buf_init(&g->out->queue_ids, IDS_MAX);
	if (g->in->queue_id != NULL)
		buf_adds(&g->out->queue_ids, g->in->queue_id);
	for (size_t i = 0; i < g->n; i++) {
		if (!header_is(&g->fields[i].f, "Received"))
			continue;
		if (n++ < GATE_QUEUE_IDS)
			add_id(&g->fields[i].f, &g->out->queue_ids);
	}
	return n;
}
