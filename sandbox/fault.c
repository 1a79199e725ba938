/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/fault.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"

struct rule {
	struct fault fault;
	enum phase phase;
	uint64_t first, last; /* occasions, counted from 1 */
	char *sender, *rcpt;  /* globs, or NULL */
	char *line;	      /* as it was given */
	uint64_t seen, struck;
};

struct faults {
	pthread_mutex_t lock;
	struct rule **rules;
	size_t n;
	unsigned next_id;
	/* n, for looking without the lock: most sandboxes have no faults. */
	atomic_size_t count;
};

static const char *const phases[PHASE_COUNT] = { "connect", "tls", "greeting",
	"ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot",
	"rset", "idle", "quit", "other" };

static const char *const actions[FAULT_COUNT] = { "drop", "reset", "stall",
	"delay", "garbage", "endless", "longline", "pieces", "twice", "half",
	"reply", "lose" };

const char *
phase_name(enum phase phase)
{
	return phases[phase];
}

struct faults *
faults_new(void)
{
	struct faults *f = mem_new(sizeof(*f));

	(void)pthread_mutex_init(&f->lock, NULL);
	return f;
}

static void
rule_free(struct rule *r)
{
	free(r->sender);
	free(r->rcpt);
	free(r->line);
	free(r);
}

void
faults_clear(struct faults *f)
{
	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n; i++)
		rule_free(f->rules[i]);
	f->n = 0;
	atomic_store(&f->count, 0);
	(void)pthread_mutex_unlock(&f->lock);
}

void
faults_free(struct faults *f)
{
	faults_clear(f);
	free(f->rules);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

static int
word_index(const char *const *table, int n, const char *word)
{
	for (int i = 0; i < n; i++)
		if (strcmp(table[i], word) == 0)
			return i;
	return -1;
}

static int
key_number(const char *key, const char *value, uint64_t *n_r, struct err *err)
{
	char *end;

	errno = 0;
	*n_r = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end != '\0' || errno != 0 ||
	    *n_r > INT64_MAX)
		return err_set(err, ERR_CONFIG,
		    "%s=%s: a whole number is wanted", key, value);
	return 0;
}

static int
key_bool(const char *key, const char *value, bool *b_r, struct err *err)
{
	*b_r = strcmp(value, "yes") == 0;
	if (!*b_r && strcmp(value, "no") != 0)
		return err_set(
		    err, ERR_CONFIG, "%s=%s: yes or no is wanted", key, value);
	return 0;
}

static void
set_string(char **to, const char *value)
{
	free(*to);
	*to = mem_strdup(value);
}

static int
rule_key(struct rule *r, const char *key, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (strcmp(key, "sender") == 0) {
		set_string(&r->sender, value);
		return 0;
	}
	if (strcmp(key, "rcpt") == 0) {
		set_string(&r->rcpt, value);
		return 0;
	}
	if (strcmp(key, "done") == 0)
		return key_bool(key, value, &r->fault.done, err);
	if (strcmp(key, "close") == 0)
		return key_bool(key, value, &r->fault.close, err);
	if (key_number(key, value, &n, err) == -1)
		return -1;
	if (strcmp(key, "ms") == 0)
		r->fault.ms = (int64_t)n;
	else if (strcmp(key, "after") == 0)
		r->fault.after_bytes = n;
	else if (strcmp(key, "nth") == 0)
		r->first = r->last = n;
	else if (strcmp(key, "first") == 0)
		r->first = n;
	else if (strcmp(key, "last") == 0)
		r->last = n;
	else
		return err_set(err, ERR_CONFIG,
		    "no such key: %s (there are nth, first, last, ms, after, "
		    "done, close, sender, rcpt and text)",
		    key);
	return 0;
}

/* Text up to the end of the line; \n parts the lines of a longer reply. */
static void
rule_text(struct rule *r, const char *value)
{
	size_t n = 0;

	for (; *value != '\0' && n < sizeof(r->fault.text) - 3; value++) {
		if (value[0] == '\\' && value[1] == 'n') {
			r->fault.text[n++] = '\r';
			r->fault.text[n++] = '\n';
			value++;
		} else {
			r->fault.text[n++] = *value;
		}
	}
	r->fault.text[n] = '\0';
}

static int
rule_words(struct rule *r, char *words, struct err *err)
{
	char *word, *value;

	while (*(words += strspn(words, " ")) != '\0') {
		if (strncmp(words, "text=", 5) == 0) {
			rule_text(r, words + 5);
			return 0;
		}
		word = words;
		words += strcspn(words, " ");
		if (*words != '\0')
			*words++ = '\0';
		if ((value = strchr(word, '=')) == NULL)
			return err_set(err, ERR_CONFIG,
			    "KEY=VALUE is wanted in place of %s", word);
		*value++ = '\0';
		if (rule_key(r, word, value, err) == -1)
			return -1;
	}
	return 0;
}

/* A given reply that grants what was asked for must also be true. */
static void
rule_defaults(struct rule *r)
{
	char class = r->fault.text[0];

	r->fault.ms = -1;
	r->first = 1;
	r->last = UINT64_MAX;
	switch (r->fault.action) {
	case FAULT_PIECES:
	case FAULT_TWICE:
	case FAULT_HALF:
	case FAULT_LOSE:
		r->fault.done = true;
		break;
	case FAULT_REPLY:
		r->fault.done = class == '2' || class == '3';
		break;
	case FAULT_DROP:
	case FAULT_RESET:
	case FAULT_STALL:
	case FAULT_DELAY:
	case FAULT_GARBAGE:
	case FAULT_ENDLESS:
	case FAULT_LONGLINE:
	case FAULT_COUNT:
		break;
	}
}

static int
rule_check(const struct rule *r, struct err *err)
{
	if (r->fault.action == FAULT_REPLY && r->fault.text[0] == '\0')
		return err_set(err, ERR_CONFIG, "reply wants text=");
	if (r->fault.action == FAULT_DELAY && r->fault.ms == -1)
		return err_set(err, ERR_CONFIG, "delay wants ms=");
	if (r->first == 0 || r->last < r->first)
		return err_set(err, ERR_CONFIG,
		    "occasions count from 1, and first comes before last");
	return 0;
}

static int
rule_parse(struct rule *r, char *line, struct err *err)
{
	char phase[16], action[16];
	const char *text;
	int used = 0, n;

	if (sscanf(line, "%15s %15s%n", phase, action, &used) != 2)
		return err_set(err, ERR_CONFIG,
		    "a fault is written PHASE ACTION [KEY=VALUE ...]");
	if ((n = word_index(phases, PHASE_COUNT, phase)) == -1)
		return err_set(err, ERR_CONFIG, "no such phase: %s", phase);
	r->phase = (enum phase)n;
	if ((n = word_index(actions, FAULT_COUNT, action)) == -1)
		return err_set(err, ERR_CONFIG, "no such action: %s", action);
	r->fault.action = (enum fault_action)n;
	if ((text = strstr(line, " text=")) != NULL)
		r->fault.text[0] = text[6]; /* the defaults look at it */
	rule_defaults(r);
	r->fault.text[0] = '\0';
	if (rule_words(r, line + used, err) == -1)
		return -1;
	return rule_check(r, err);
}

int
faults_add(struct faults *f, const char *line, unsigned *id_r, struct err *err)
{
	struct rule *r = mem_new(sizeof(*r));
	char *copy = mem_strdup(line);
	int rc;

	r->line = mem_strdup(line);
	rc = rule_parse(r, copy, err);
	free(copy);
	if (rc == -1) {
		rule_free(r);
		return err_context(err, "fault \"%s\"", line);
	}
	(void)pthread_mutex_lock(&f->lock);
	f->rules = mem_grow(f->rules, f->n + 1, sizeof(struct rule *));
	r->fault.id = *id_r = ++f->next_id;
	f->rules[f->n++] = r;
	atomic_store(&f->count, f->n);
	(void)pthread_mutex_unlock(&f->lock);
	return 0;
}

static bool
rule_matches(const struct rule *r, const struct fault_occasion *o)
{
	if (r->phase != o->phase)
		return false;
	if (r->sender != NULL &&
	    (o->sender == NULL || fnmatch(r->sender, o->sender, 0) != 0))
		return false;
	if (r->rcpt == NULL)
		return true;
	for (size_t i = 0; i < o->nrecipients; i++)
		if (fnmatch(r->rcpt, o->recipients[i], 0) == 0)
			return true;
	return false;
}

static bool
visit(struct faults *f, const struct fault_occasion *o, bool count,
    struct fault *fault_r)
{
	struct rule *r, *hit = NULL;

	if (atomic_load(&f->count) == 0)
		return false;
	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n; i++) {
		uint64_t turn;

		r = f->rules[i];
		if (!rule_matches(r, o))
			continue;
		turn = r->seen + 1;
		if (count)
			r->seen++;
		if (hit == NULL && turn >= r->first && turn <= r->last)
			hit = r;
	}
	if (hit != NULL) {
		*fault_r = hit->fault;
		if (count)
			hit->struck++;
	}
	(void)pthread_mutex_unlock(&f->lock);
	return hit != NULL;
}

bool
faults_strike(
    struct faults *f, const struct fault_occasion *o, struct fault *fault_r)
{
	return visit(f, o, true, fault_r);
}

bool
faults_would_strike(
    struct faults *f, const struct fault_occasion *o, struct fault *fault_r)
{
	return visit(f, o, false, fault_r);
}

void
faults_json(struct faults *f, struct buf *out)
{
	(void)pthread_mutex_lock(&f->lock);
	json_open(out, '[');
	for (size_t i = 0; i < f->n; i++) {
		json_open(out, '{');
		json_add_int(out, "id", f->rules[i]->fault.id);
		json_add_string(out, "fault", f->rules[i]->line);
		json_add_int(out, "seen", (int64_t)f->rules[i]->seen);
		json_add_int(out, "struck", (int64_t)f->rules[i]->struck);
		json_close(out, '}');
	}
	json_close(out, ']');
	(void)pthread_mutex_unlock(&f->lock);
}
