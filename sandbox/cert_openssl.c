/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/cert.h"

#include <string.h>
#include <time.h>

/* OpenSSL 3 has a type by the name of one of core/err.h's classes. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

/*
 * cert.h over OpenSSL 1.1.1 or 3.
 */
enum { SERIAL_BYTES = 16 };

static int
failed(struct err *err, const char *what)
{
	const char *words = ERR_reason_error_string(ERR_peek_error());

	return err_set(err, ERR_TLS, "making a certificate: %s: %s", what,
	    words != NULL ? words : "unknown reason");
}

static EVP_PKEY *
make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) !=
		1 ||
	    EVP_PKEY_keygen(ctx, &key) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static int
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	int ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	if ((ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value)) == NULL)
		return -1;
	ok = X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return ok == 1 ? 0 : -1;
}

/* "DNS:a,IP:127.0.0.1" */
static void
names_text(const struct cert_request *r, struct buf *out)
{
	for (size_t i = 0; i < r->nnames; i++) {
		ASN1_OCTET_STRING *ip = a2i_IPADDRESS(r->names[i]);

		buf_addf(out, "%s%s:%s", i > 0 ? "," : "",
		    ip != NULL ? "IP" : "DNS", r->names[i]);
		ASN1_OCTET_STRING_free(ip);
	}
	ERR_clear_error(); /* a host name is no failure */
}

static int
add_extensions(X509 *cert, X509 *issuer, const struct cert_request *r)
{
	struct buf names;
	int rc = 0;

	if (add_extension(cert, issuer, NID_basic_constraints,
		r->ca ? "critical,CA:TRUE" : "critical,CA:FALSE") == -1 ||
	    add_extension(cert, issuer, NID_key_usage,
		r->ca ? "critical,keyCertSign,cRLSign"
		      : "critical,digitalSignature") == -1 ||
	    add_extension(cert, issuer, NID_subject_key_identifier, "hash") ==
		-1 ||
	    add_extension(
		cert, issuer, NID_authority_key_identifier, "keyid") == -1)
		return -1;
	if (!r->ca &&
	    add_extension(cert, issuer, NID_ext_key_usage, "serverAuth") == -1)
		return -1;
	if (r->nnames == 0)
		return 0;
	buf_init(&names, 16 * 1024);
	names_text(r, &names);
	rc = add_extension(cert, issuer, NID_subject_alt_name, names.data);
	buf_free(&names);
	return rc;
}

/* Positive, whatever the random bytes are (RFC 5280 section 4.1.2.2). */
static int
set_serial(X509 *cert)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *n;
	int rc = -1;

	if (RAND_bytes(bytes, SERIAL_BYTES) != 1)
		return -1;
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	if ((n = BN_bin2bn(bytes, SERIAL_BYTES, NULL)) == NULL)
		return -1;
	if (BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL)
		rc = 0;
	BN_free(n);
	return rc;
}

static int
set_subject(X509 *cert, const char *common_name)
{
	const unsigned char *cn = (const unsigned char *)common_name;

	return X509_NAME_add_entry_by_NID(X509_get_subject_name(cert),
		   NID_commonName, MBSTRING_UTF8, cn, -1, -1, 0) == 1
		   ? 0
		   : -1;
}

static int
fill(X509 *cert, EVP_PKEY *key, X509 *issuer, const struct cert_request *r)
{
	if (X509_set_version(cert, 2) != 1 || set_serial(cert) == -1 ||
	    set_subject(cert, r->common_name) == -1 ||
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1 ||
	    X509_set_pubkey(cert, key) != 1 ||
	    ASN1_TIME_set(
		X509_getm_notBefore(cert), (time_t)r->not_before_sec) == NULL ||
	    ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)r->not_after_sec) ==
		NULL)
		return -1;
	return add_extensions(cert, issuer, r);
}

static int
take_bio(BIO *bio, struct buf *out)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	if (len <= 0)
		return -1;
	buf_add(out, data, (size_t)len);
	return out->overflow ? -1 : 0;
}

static int
write_pem(X509 *cert, EVP_PKEY *key, struct buf *cert_r, struct buf *key_r)
{
	BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_mem());
	int rc = -1;

	if (c != NULL && k != NULL && PEM_write_bio_X509(c, cert) == 1 &&
	    PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    take_bio(c, cert_r) == 0 && take_bio(k, key_r) == 0)
		rc = 0;
	BIO_free(c);
	BIO_free(k);
	return rc;
}

struct issuer {
	X509 *cert;
	EVP_PKEY *key;
};

static int
read_issuer(const struct cert_request *r, struct issuer *i)
{
	BIO *c = BIO_new_mem_buf(r->issuer_cert, -1);
	BIO *k = BIO_new_mem_buf(r->issuer_key, -1);

	if (c != NULL)
		i->cert = PEM_read_bio_X509(c, NULL, NULL, NULL);
	if (k != NULL)
		i->key = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
	BIO_free(c);
	BIO_free(k);
	return i->cert != NULL && i->key != NULL ? 0 : -1;
}

static int
make(const struct cert_request *r, X509 *cert, EVP_PKEY *key,
    const struct issuer *i, struct err *err)
{
	bool self = i->cert == NULL;

	if (cert == NULL || key == NULL ||
	    fill(cert, key, self ? cert : i->cert, r) == -1)
		return failed(err, r->common_name);
	if (X509_sign(cert, self ? key : i->key, EVP_sha256()) == 0)
		return failed(err, "signing");
	return 0;
}

int
cert_make(const struct cert_request *r, struct buf *cert_r, struct buf *key_r,
    struct err *err)
{
	struct issuer issuer = { .cert = NULL };
	X509 *cert = X509_new();
	EVP_PKEY *key = make_key();
	int rc = 0;

	if (r->issuer_cert != NULL && read_issuer(r, &issuer) == -1)
		rc = failed(err, "reading the CA");
	if (rc == 0)
		rc = make(r, cert, key, &issuer, err);
	if (rc == 0 && write_pem(cert, key, cert_r, key_r) == -1)
		rc = failed(err, "writing PEM");
	X509_free(cert);
	EVP_PKEY_free(key);
	X509_free(issuer.cert);
	EVP_PKEY_free(issuer.key);
	return rc;
}
