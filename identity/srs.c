/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/srs.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"

/*
 * Local parts are taken apart and put together without their quotes; the
 * address parser puts these back where they are needed, so that one mailbox has
 * one writing in both directions.
 */

#define TAG_LEN 5 /* with its separator */
#define DAY_LEN 2
#define DAYS 1024 /* that two digits can tell apart */
#define DAY_US (INT64_C(86400) * US_PER_SEC)

/* More than any local part, so that what is too long is found out by the
 * address parser and nowhere else. */
#define TEXT_MAX (2 * (ADDRESS_LOCAL_MAX + ADDRESS_DOMAIN_MAX + 32))

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* Whether a local part is SRS0 or SRS1, in which separators after the tag may
 * differ. */
static bool
has_tag(const char *local, char digit)
{
	return strncasecmp(local, "SRS", 3) == 0 && local[3] == digit &&
	    local[4] != '\0' && strchr("=+-", local[4]) != NULL;
}

/* tag is '0' or '1', so that one kind is not taken for the other. */
static void
make_hash(const unsigned char *key, char tag, const char *rest,
    char hash_r[SRS_HASH_LEN + 1])
{
	unsigned char sum[SHA256_LEN];
	char text[TEXT_MAX];
	size_t len = (size_t)snprintf(text, sizeof(text), "srs%c=%s", tag,
	    rest);
	uint32_t bits;

	for (size_t i = 0; i < len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] = (char)(text[i] - 'A' + 'a');
	crypto_hmac_sha256(key, CRYPTO_KEY_LEN, text, len, sum);
	bits = (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 |
	    (uint32_t)sum[2] << 8 | sum[3];
	for (size_t i = 0; i < SRS_HASH_LEN; i++, bits <<= 5)
		hash_r[i] = base32[bits >> 27];
	hash_r[SRS_HASH_LEN] = '\0';
}

static unsigned
day_of(int64_t wall_us)
{
	return (unsigned)(wall_us / DAY_US % DAYS);
}

static int
write_srs(const struct secret *s, char tag, const char *rest,
    const char *domain, struct address *srs_r, struct err *err)
{
	char hash[SRS_HASH_LEN + 1], local[TEXT_MAX];
	struct err why;

	make_hash(secret_srs_key(s, 0), tag, rest, hash);
	(void)snprintf(local, sizeof(local), "SRS%c=%s=%s", tag, hash, rest);
	if (address_make(local, strlen(local), domain, srs_r, &why) !=
	    ADDRESS_OK)
		return err_set(err, ERR_POLICY,
		    "no SRS address can be made of it: %s", why.text);
	return 0;
}

/*
 * "first=REST" in an SRS1 local part after its hash, split: first is the host
 * that made the SRS0 address and knows its way back, REST begins with that
 * one's separator. False when it is nothing like that.
 */
static bool
split_first(const char *text, char *first_r, const char **rest_r)
{
	size_t len = strcspn(text, "=");

	if (text[len] == '\0' || text[len + 1] == '\0' ||
	    strchr("=+-", text[len + 1]) == NULL ||
	    address_domain_ascii(text, len, first_r) == -1)
		return false;
	memcpy(first_r, text, len);
	first_r[len] = '\0';
	*rest_r = text + len + 1;
	return true;
}

/* What a foreign SRS1 says after its hash, or NULL where it is none: then it is
 * somebody's odd name. */
static const char *
after_srs1_hash(const char *local)
{
	char first[ADDRESS_DOMAIN_MAX + 1];
	const char *p, *rest;

	if (!has_tag(local, '1') ||
	    (p = strchr(local + TAG_LEN, '=')) == NULL ||
	    !split_first(p + 1, first, &rest))
		return NULL;
	return p + 1;
}

int
srs_forward(const struct secret *s, const struct address *original,
    const char *domain, int64_t wall_us, struct address *srs_r,
    struct err *err)
{
	const char *from = address_domain(original), *srs1;
	unsigned day = day_of(wall_us);
	char rest[TEXT_MAX];
	char text[ADDRESS_LOCAL_MAX + 1];

	(void)address_local(original, text);
	if ((srs1 = after_srs1_hash(text)) != NULL)
		return write_srs(s, '1', srs1, domain, srs_r, err);
	if (has_tag(text, '0')) {
		(void)snprintf(rest, sizeof(rest), "%s=%s", from,
		    text + TAG_LEN - 1);
		return write_srs(s, '1', rest, domain, srs_r, err);
	}
	(void)snprintf(rest, sizeof(rest), "%c%c=%s=%s", base32[day / 32],
	    base32[day % 32], from, text);
	return write_srs(s, '0', rest, domain, srs_r, err);
}

static enum srs_result
answer(struct err *err, enum srs_result result, const char *words)
{
	(void)err_set(err, ERR_POLICY, "%s", words);
	return result;
}

/* What an SRS address that verifies stands for; one that we made is never
 * malformed, but anybody may come to know a key. */
static enum srs_result
way_back(const char *local, const char *domain, struct address *original_r,
    struct err *err)
{
	struct err why;

	if (address_make(local, strlen(local), domain, original_r, &why) !=
	    ADDRESS_OK)
		return answer(err, SRS_MALFORMED,
		    "this SRS address stands for no address");
	return SRS_OK;
}

/* The value of a base32 digit in either case, or -1. */
static int
digit(char c)
{
	const char *p;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	p = c != '\0' ? strchr(base32, c) : NULL;
	return p != NULL ? (int)(p - base32) : -1;
}

/* DAY=domain=local. */
static enum srs_result
reverse_srs0(const char *text, int64_t wall_us, struct address *original_r,
    struct err *err)
{
	int high = digit(text[0]), low = high == -1 ? -1 : digit(text[1]);
	char domain[ADDRESS_LOCAL_MAX + 1];
	unsigned age;
	size_t len;

	if (low == -1 || text[DAY_LEN] != '=')
		return answer(err, SRS_MALFORMED,
		    "this SRS address has no date");
	text += DAY_LEN + 1;
	len = strcspn(text, "=");
	if (text[len] == '\0')
		return answer(err, SRS_MALFORMED,
		    "this SRS address lacks a part");
	age = (day_of(wall_us) + DAYS - (unsigned)(high * 32 + low)) % DAYS;
	/* A day ahead is another host's clock. */
	if (age > SRS_VALID_DAYS && age != DAYS - 1)
		return answer(err, SRS_EXPIRED,
		    "this SRS address has expired");
	memcpy(domain, text, len);
	domain[len] = '\0';
	return way_back(text + len + 1, domain, original_r, err);
}

/* first=REST. */
static enum srs_result
reverse_srs1(const char *text, struct address *original_r, struct err *err)
{
	char first[ADDRESS_DOMAIN_MAX + 1], local[ADDRESS_LOCAL_MAX + 5];
	const char *rest;

	if (!split_first(text, first, &rest))
		return answer(err, SRS_MALFORMED,
		    "this SRS address lacks a part");
	(void)snprintf(local, sizeof(local), "SRS0%s", rest);
	return way_back(local, first, original_r, err);
}

static bool
verifies(const struct secret *s, char tag, const char *hash, const char *rest)
{
	char given[SRS_HASH_LEN + 1], right[SRS_HASH_LEN + 1];

	for (size_t i = 0; i < SRS_HASH_LEN; i++)
		given[i] = hash[i] >= 'a' && hash[i] <= 'z' ?
		    (char)(hash[i] - 'a' + 'A') :
		    hash[i];
	for (size_t i = 0; i < secret_count(s); i++) {
		make_hash(secret_srs_key(s, i), tag, rest, right);
		if (crypto_differ(given, right, SRS_HASH_LEN) == 0)
			return true;
	}
	return false;
}

bool
srs_tagged(const struct address *a)
{
	char text[ADDRESS_LOCAL_MAX + 1];

	(void)address_local(a, text);
	return has_tag(text, '0') || has_tag(text, '1');
}

enum srs_result
srs_reverse(const struct secret *s, const struct address *srs,
    const char *domain, int64_t wall_us, struct address *original_r,
    struct err *err)
{
	char ours[ADDRESS_DOMAIN_MAX + 1];
	const char *hash, *rest;
	char text[ADDRESS_LOCAL_MAX + 1];

	if (address_domain_ascii(domain, strlen(domain), ours) == -1 ||
	    strcasecmp(address_domain(srs), ours) != 0)
		return SRS_NONE;
	if (!srs_tagged(srs))
		return SRS_NONE;
	(void)address_local(srs, text);
	hash = text + TAG_LEN;
	if (strcspn(hash, "=") != SRS_HASH_LEN || hash[SRS_HASH_LEN] == '\0')
		return answer(err, SRS_MALFORMED,
		    "this SRS address has no hash of ours");
	rest = hash + SRS_HASH_LEN + 1;
	if (!verifies(s, text[3], hash, rest))
		return answer(err, SRS_FORGED,
		    "this SRS address is not one of ours");
	if (text[3] == '0')
		return reverse_srs0(rest, wall_us, original_r, err);
	return reverse_srs1(rest, original_r, err);
}
