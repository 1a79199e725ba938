/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "core/crypto.h"

#define BYTES_MAX 128

static void
assert_hex_len(const unsigned char *bytes, size_t len, const char *expected)
{
	char hex[BYTES_MAX * 2 + 1] = "";

	assert_true(len <= BYTES_MAX);
	for (size_t i = 0; i < len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(hex, expected);
}

static void
assert_hex(const unsigned char sum[SHA256_LEN], const char *expected)
{
	assert_hex_len(sum, SHA256_LEN, expected);
}

static size_t
from_hex(const char *hex, unsigned char out[BYTES_MAX])
{
	size_t len = strlen(hex) / 2;

	assert_true(len <= BYTES_MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (unsigned char)byte;
	}
	return len;
}

/* FIPS 180-4's examples. */
static void
sha256_known(void **state)
{
	static const struct {
		const char *text, *sum;
	} cases[] = {
		{ "",
		    "e3b0c44298fc1c149afbf4c8996fb924"
		    "27ae41e4649b934ca495991b7852b855" },
		{ "abc",
		    "ba7816bf8f01cfea414140de5dae2223"
		    "b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "248d6a61d20638b8e5c026930c3e6039"
		    "a33ce45964ff2167f6ecedd419db06c1" },
	};
	unsigned char sum[SHA256_LEN];
	struct sha256 *s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		crypto_sha256(cases[i].text, strlen(cases[i].text), sum);
		assert_hex(sum, cases[i].sum);
		s = sha256_new();
		for (const char *p = cases[i].text; *p != '\0'; p++)
			sha256_add(s, p, 1);
		sha256_end(s, sum);
		assert_hex(sum, cases[i].sum);
	}
}

/* RFC 4231, test cases 2 and 6 (a key longer than the hash's block). */
static void
hmac_known(void **state)
{
	static const char what[] = "what do ya want for nothing?";
	static const char larger[] =
	    "Test Using Larger Than Block-Size Key - Hash Key First";
	unsigned char sum[SHA256_LEN], key[131];

	(void)state;
	crypto_hmac_sha256("Jefe", 4, what, strlen(what), sum);
	assert_hex(sum,
	    "5bdcc146bf60754e6a042426089575c7"
	    "5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	crypto_hmac_sha256(key, sizeof(key), larger, strlen(larger), sum);
	assert_hex(sum,
	    "60e431591ee0b67f0d8a26aacbf5b77f"
	    "8e0bc6213728c5140546040f0ee37f54");
	crypto_hmac_sha256(NULL, 0, "", 0, sum);
	assert_hex(sum,
	    "b613679a0814d9ec772f95d778c35fc5"
	    "ff1697c493715653c6c712144292c5ad");
}

/* RFC 5869, appendix A.3 (no salt, no info); the others have a salt. With info
 * and more than a block: from an implementation of its own (Python's hmac). */
static void
hkdf_known(void **state)
{
	unsigned char key[22], out[42];

	(void)state;
	memset(key, 0x0b, sizeof(key));
	crypto_hkdf_sha256(key, sizeof(key), "", out, sizeof(out));
	assert_hex_len(out, sizeof(out),
	    "8da4e775a563c18f715f802a063c5a31"
	    "b8a11f5c5ee1879ec3454e5f3c738d2d"
	    "9d201395faa4b61a96c8");
	crypto_hkdf_sha256("secret", 6, "postern srs", out, sizeof(out));
	assert_hex_len(out, sizeof(out),
	    "a05abbc051678ee309f426d11f2f9aec"
	    "155e795ea6c18a34a2420d30bd4e6d34"
	    "276d9424d69ad7515421");
}

/*
 * The examples of the GCM specification (McGrew and Viega, appendix B): test
 * cases 13 to 16, those of 256 bits with a nonce of 96.
 */
static const struct gcm {
	const char *key, *nonce, *bound, *data, *sealed;
} gcm[] = {
	{ "00000000000000000000000000000000"
	  "00000000000000000000000000000000",
	    "000000000000000000000000", "", "",
	    "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "00000000000000000000000000000000"
	  "00000000000000000000000000000000",
	    "000000000000000000000000", "",
	    "00000000000000000000000000000000",
	    "cea7403d4d606b6e074ec5d3baf39d18"
	    "d0d1c8a799996bf0265b98b5d48ab919" },
	{ "feffe9928665731c6d6a8f9467308308"
	  "feffe9928665731c6d6a8f9467308308",
	    "cafebabefacedbaddecaf888", "",
	    "d9313225f88406e5a55909c5aff5269a"
	    "86a7a9531534f7da2e4c303d8a318a72"
	    "1c3c0c95956809532fcf0e2449a6b525"
	    "b16aedf5aa0de657ba637b391aafd255",
	    "522dc1f099567d07f47f37a32a84427d"
	    "643a8cdcbfe5c0c97598a2bd2555d1aa"
	    "8cb08e48590dbb3da7b08b1056828838"
	    "c5f61e6393ba7a0abcc9f662898015ad"
	    "b094dac5d93471bdec1a502270e3cc6c" },
	{ "feffe9928665731c6d6a8f9467308308"
	  "feffe9928665731c6d6a8f9467308308",
	    "cafebabefacedbaddecaf888",
	    "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	    "d9313225f88406e5a55909c5aff5269a"
	    "86a7a9531534f7da2e4c303d8a318a72"
	    "1c3c0c95956809532fcf0e2449a6b525"
	    "b16aedf5aa0de657ba637b39",
	    "522dc1f099567d07f47f37a32a84427d"
	    "643a8cdcbfe5c0c97598a2bd2555d1aa"
	    "8cb08e48590dbb3da7b08b1056828838"
	    "c5f61e6393ba7a0abcc9f662"
	    "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static void
gcm_known(void **state)
{
	unsigned char key[BYTES_MAX], nonce[BYTES_MAX], bound[BYTES_MAX];
	unsigned char data[BYTES_MAX], sealed[BYTES_MAX], out[BYTES_MAX];
	size_t len, sealed_len;

	(void)state;
	for (size_t i = 0; i < sizeof(gcm) / sizeof(gcm[0]); i++) {
		struct crypto_aead a = { key, nonce, bound,
			from_hex(gcm[i].bound, bound) };

		(void)from_hex(gcm[i].key, key);
		(void)from_hex(gcm[i].nonce, nonce);
		len = from_hex(gcm[i].data, data);
		crypto_seal(&a, data, len, sealed);
		sealed_len = len + CRYPTO_TAG_LEN;
		assert_hex_len(sealed, sealed_len, gcm[i].sealed);
		assert_int_equal(crypto_open(&a, sealed, sealed_len, out), 0);
		assert_memory_equal(out, data, len);
	}
}

/* One bit of any part changed, and nothing opens. */
static void
gcm_tampered(void **state)
{
	unsigned char key[CRYPTO_KEY_LEN] = "key", bound[] = "bound";
	unsigned char nonce[CRYPTO_NONCE_LEN] = "nonce", out[BYTES_MAX];
	unsigned char sealed[7 + CRYPTO_TAG_LEN];
	struct crypto_aead a = { key, nonce, bound, sizeof(bound) };
	struct {
		unsigned char *bytes;
		size_t len;
	} parts[] = { { key, sizeof(key) }, { nonce, sizeof(nonce) },
		{ bound, sizeof(bound) }, { sealed, sizeof(sealed) } };

	(void)state;
	crypto_seal(&a, "message", 7, sealed);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (size_t bit = 0; bit < 8 * parts[i].len; bit++) {
			parts[i].bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
			assert_int_equal(
			    crypto_open(&a, sealed, sizeof(sealed), out), -1);
			parts[i].bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
	}
	assert_int_equal(crypto_open(&a, sealed, sizeof(sealed), out), 0);
	for (size_t len = 0; len < sizeof(sealed); len++)
		assert_int_equal(crypto_open(&a, sealed, len, out), -1);
}

static void
random_differs(void **state)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

static void
differ(void **state)
{
	(void)state;
	assert_int_equal(crypto_differ("secret", "secret", 6), 0);
	assert_int_not_equal(crypto_differ("secret", "secreT", 6), 0);
	assert_int_not_equal(crypto_differ("secret", "Secret", 6), 0);
	assert_int_equal(crypto_differ("a", "b", 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_known),
		cmocka_unit_test(hmac_known),
		cmocka_unit_test(hkdf_known),
		cmocka_unit_test(gcm_known),
		cmocka_unit_test(gcm_tampered),
		cmocka_unit_test(random_differs),
		cmocka_unit_test(differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
