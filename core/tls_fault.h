/*
 * tls_fault: what is wrong with a certificate or a file of them, in words that
 * both TLS implementations share and that tell an operator what to mend.
 *
 * Every function sets err and returns -1.
 */
#ifndef CORE_TLS_FAULT_H
#define CORE_TLS_FAULT_H

#include <stdbool.h>
#include <time.h>

#include "core/err.h"

/* The name is a certificate's subject as it came from the peer. */
int tls_fault_expired(const char *name, const struct tm *when, struct err *);
int tls_fault_not_yet(const char *name, const struct tm *when, struct err *);

/* names: those in the certificate, separated by commas. */
int tls_fault_name(const char *names, const char *host, struct err *);

/* client tells whether we are the client, so that ca-file (and not
 * tls-client-ca) is where trust is configured. */
int tls_fault_issuer(const char *issuer, bool client, struct err *);

/* Anything else, in the TLS library's own words. */
int tls_fault_other(const char *name, const char *words, struct err *);

/* The peer offers nothing newer than TLS 1.1, or no TLS at all. */
int tls_fault_version(const char *words, struct err *);
int tls_fault_no_tls(struct err *);

/* 0 when the file can be opened for reading; -1 and err (ERR_CONFIG) naming it. */
int tls_check_file(const char *what, const char *file, struct err *);

#endif
