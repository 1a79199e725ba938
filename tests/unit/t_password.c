/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "ses/password.h"

/*
 * Vectors: the first four from terraform-provider-aws, the others computed
 * from the secret of AWS's own examples.
 */

#define EXAMPLE "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static const struct {
	const char *secret, *region, *password;
} vectors[] = {
	{ "some+secret+key", "eu-central-1",
	    "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2" },
	{ "another+secret+key", "eu-central-1",
	    "BBbphbrQmrKMx42d1N6+C7VINYEBGI5v9VsZeTxwskfh" },
	{ "some+secret+key", "us-west-1",
	    "BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj" },
	{ "another+secret+key", "us-west-1",
	    "BKVmjjMDFk/qqw8EROW99bjCS65PF8WKvK5bSr4Y6EqF" },
	{ EXAMPLE, "us-east-1",
	    "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9" },
	{ EXAMPLE, "us-west-2",
	    "BF2PynzbSCAjX08zhZZnP/kW+T9P5zs/1Er0pi5vTEmd" },
	{ EXAMPLE, "eu-west-1",
	    "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk" },
	{ EXAMPLE, "us-gov-west-1",
	    "BHW/eHvx1MM9YwW4wrJG6MGVQmLDCAM99G9YiSdGEIAw" },
};

static void
derive(void **state)
{
	char *password;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		password =
		    password_derive(vectors[i].secret, vectors[i].region);
		assert_string_equal(password, vectors[i].password);
		free(password);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(derive) };

	return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
