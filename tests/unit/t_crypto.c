/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "core/crypto.h"

static void
assert_hex(const unsigned char sum[SHA256_LEN], const char *expected)
{
	char hex[SHA256_LEN * 2 + 1];

	for (size_t i = 0; i < SHA256_LEN; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	assert_string_equal(hex, expected);
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
		cmocka_unit_test(random_differs),
		cmocka_unit_test(differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
