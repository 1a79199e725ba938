/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/cert.h"

#include <sys/socket.h>
#include <netinet/in.h>

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/*
 * cert.h over GnuTLS 3.6 or newer. Its calls return a negative number on
 * failure; the first of a row of calls that does so decides (see first_of).
 */
enum { SERIAL_BYTES = 16, KEY_ID_MAX = 64 };

struct issuer {
	gnutls_x509_crt_t cert;
	gnutls_x509_privkey_t key;
};

static int
failed(struct err *err, const char *what, int rc)
{
	return err_set(err, ERR_TLS, "making a certificate: %s: %s", what,
	    gnutls_strerror(rc));
}

static int
add_name(gnutls_x509_crt_t cert, const char *name)
{
	unsigned char ip[16];

	if (inet_pton(AF_INET, name, ip) == 1)
		return gnutls_x509_crt_set_subject_alt_name(
		    cert, GNUTLS_SAN_IPADDRESS, ip, 4, GNUTLS_FSAN_APPEND);
	if (inet_pton(AF_INET6, name, ip) == 1)
		return gnutls_x509_crt_set_subject_alt_name(
		    cert, GNUTLS_SAN_IPADDRESS, ip, 16, GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME,
	    name, (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

static int
add_names(gnutls_x509_crt_t cert, const struct cert_request *r)
{
	int rc = 0;

	for (size_t i = 0; i < r->nnames && rc >= 0; i++)
		rc = add_name(cert, r->names[i]);
	return rc;
}

static int
add_key_ids(gnutls_x509_crt_t cert, gnutls_x509_crt_t issuer)
{
	unsigned char id[KEY_ID_MAX];
	size_t len = sizeof(id);
	int rc;

	rc = gnutls_x509_crt_get_key_id(cert, 0, id, &len);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_subject_key_id(cert, id, len);
	len = sizeof(id);
	if (rc >= 0)
		rc = gnutls_x509_crt_get_key_id(issuer, 0, id, &len);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_authority_key_id(cert, id, len);
	return rc;
}

/* Positive, whatever the random bytes are (RFC 5280 section 4.1.2.2). */
static int
set_serial(gnutls_x509_crt_t cert)
{
	unsigned char bytes[SERIAL_BYTES];
	int rc = gnutls_rnd(GNUTLS_RND_NONCE, bytes, SERIAL_BYTES);

	if (rc < 0)
		return rc;
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	return gnutls_x509_crt_set_serial(cert, bytes, SERIAL_BYTES);
}

static int
set_purpose(gnutls_x509_crt_t cert, bool ca)
{
	int rc = gnutls_x509_crt_set_basic_constraints(cert, ca, -1);

	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_usage(
		    cert, ca ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
			     : GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (rc >= 0 && !ca)
		rc = gnutls_x509_crt_set_key_purpose_oid(
		    cert, GNUTLS_KP_TLS_WWW_SERVER, 0);
	return rc;
}

static int
fill(const struct issuer *own, gnutls_x509_crt_t issuer,
    const struct cert_request *r)
{
	const char *cn = r->common_name;
	int rc = gnutls_x509_crt_set_version(own->cert, 3);

	if (rc >= 0)
		rc = set_serial(own->cert);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_dn_by_oid(own->cert,
		    GNUTLS_OID_X520_COMMON_NAME, 0, cn, (unsigned)strlen(cn));
	if (rc >= 0)
		rc = gnutls_x509_crt_set_activation_time(
		    own->cert, (time_t)r->not_before_sec);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_expiration_time(
		    own->cert, (time_t)r->not_after_sec);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key(own->cert, own->key);
	if (rc >= 0)
		rc = set_purpose(own->cert, r->ca);
	if (rc >= 0)
		rc = add_key_ids(own->cert, issuer);
	return rc >= 0 ? add_names(own->cert, r) : rc;
}

static int
init(struct issuer *i)
{
	int rc = gnutls_x509_crt_init(&i->cert);

	return rc >= 0 ? gnutls_x509_privkey_init(&i->key) : rc;
}

static void
deinit(struct issuer *i)
{
	if (i->cert != NULL)
		gnutls_x509_crt_deinit(i->cert);
	if (i->key != NULL)
		gnutls_x509_privkey_deinit(i->key);
}

static gnutls_datum_t
datum(const char *text)
{
	/* Only read, but GnuTLS has no const to say so. */
	return (gnutls_datum_t){
		.data = (unsigned char *)(uintptr_t)text,
		.size = (unsigned)strlen(text),
	};
}

static int
read_issuer(const struct cert_request *r, struct issuer *i)
{
	gnutls_datum_t cert = datum(r->issuer_cert);
	gnutls_datum_t key = datum(r->issuer_key);
	int rc = init(i);

	if (rc >= 0)
		rc =
		    gnutls_x509_crt_import(i->cert, &cert, GNUTLS_X509_FMT_PEM);
	if (rc >= 0)
		rc = gnutls_x509_privkey_import(
		    i->key, &key, GNUTLS_X509_FMT_PEM);
	return rc;
}

static int
write_pem(const struct issuer *own, struct buf *cert_r, struct buf *key_r)
{
	gnutls_datum_t cert = { .data = NULL }, key = { .data = NULL };
	int rc;

	rc = gnutls_x509_crt_export2(own->cert, GNUTLS_X509_FMT_PEM, &cert);
	if (rc >= 0)
		rc = gnutls_x509_privkey_export2_pkcs8(
		    own->key, GNUTLS_X509_FMT_PEM, NULL, 0, &key);
	if (rc >= 0) {
		buf_add(cert_r, cert.data, cert.size);
		buf_add(key_r, key.data, key.size);
	}
	gnutls_free(cert.data);
	gnutls_free(key.data);
	return rc;
}

int
cert_make(const struct cert_request *r, struct buf *cert_r, struct buf *key_r,
    struct err *err)
{
	struct issuer own = { .cert = NULL }, other = { .cert = NULL };
	const struct issuer *by = r->issuer_cert != NULL ? &other : &own;
	int rc = init(&own);

	if (rc >= 0)
		rc = gnutls_x509_privkey_generate(own.key, GNUTLS_PK_EC,
		    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (rc >= 0 && r->issuer_cert != NULL)
		rc = read_issuer(r, &other);
	if (rc >= 0)
		rc = fill(&own, by->cert, r);
	if (rc >= 0)
		rc = gnutls_x509_crt_sign2(
		    own.cert, by->cert, by->key, GNUTLS_DIG_SHA256, 0);
	if (rc >= 0)
		rc = write_pem(&own, cert_r, key_r);
	deinit(&own);
	deinit(&other);
	return rc >= 0 ? 0 : failed(err, r->common_name, rc);
}
