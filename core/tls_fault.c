/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/tls_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Dates without zone would mislead; certificates are in UTC. */
#define DATE_LEN sizeof("2026-11-22 03:22:12 UTC")

static const char *
date(const struct tm *tm, char text[DATE_LEN])
{
	if (strftime(text, DATE_LEN, "%Y-%m-%d %H:%M:%S UTC", tm) == 0)
		return "an unknown date";
	return text;
}

int
tls_fault_expired(const char *name, const struct tm *when, struct err *err)
{
	char text[DATE_LEN];

	return err_set(err, ERR_TLS, "the certificate of %s expired on %s",
	    name, date(when, text));
}

int
tls_fault_not_yet(const char *name, const struct tm *when, struct err *err)
{
	char text[DATE_LEN];

	return err_set(err, ERR_TLS,
	    "the certificate of %s is not valid before %s; is this host's "
	    "clock right?",
	    name, date(when, text));
}

int
tls_fault_name(const char *names, const char *host, struct err *err)
{
	return err_set(err, ERR_TLS,
	    "wrong name: the certificate is not for %s but for %s", host,
	    *names != '\0' ? names : "no name at all");
}

int
tls_fault_issuer(const char *issuer, bool client, struct err *err)
{
	return err_set(err, ERR_TLS,
	    "unknown issuer: the certificate was issued by %s, whom this host "
	    "does not trust; %s is the place for a private authority",
	    issuer, client ? "ca-file" : "tls-client-ca");
}

int
tls_fault_other(const char *name, const char *words, struct err *err)
{
	return err_set(
	    err, ERR_TLS, "the certificate of %s: %s", name, words);
}

int
tls_fault_version(const char *words, struct err *err)
{
	return err_set(err, ERR_TLS,
	    "the peer and this host have no TLS version in common; TLS 1.2 or "
	    "newer is needed (%s)",
	    words);
}

int
tls_fault_no_tls(struct err *err)
{
	return err_set(err, ERR_TLS,
	    "the peer does not speak TLS on this port; is it one for STARTTLS?");
}

int
tls_check_file(const char *what, const char *file, struct err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return err_sys(err, ERR_CONFIG, errno, "%s %s", what, file);
	(void)close(fd);
	return 0;
}
