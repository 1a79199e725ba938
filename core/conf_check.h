/*
 * conf_check: what the words in a configuration value must look like.
 *
 * Private to core/conf*.c. Each check returns 0, or -1 and err (ERR_CONFIG)
 * with words that say what is wrong and what would be right.
 */
#ifndef CORE_CONF_CHECK_H
#define CORE_CONF_CHECK_H

#include <stddef.h>

#include "core/err.h"

int conf_check_user(const char *, struct err *);
int conf_check_path(const char *, struct err *);
int conf_check_socket(const char *, struct err *); /* path of a unix socket */
int conf_check_command(const char *, struct err *);
int conf_check_endpoint(const char *, struct err *);
int conf_check_region(const char *, struct err *);
int conf_check_tag_name(const char *, struct err *); /* configuration set */
int conf_check_tag(const char *, struct err *);	     /* NAME=VALUE */
int conf_check_ses_header(const char *, struct err *);
int conf_check_sender(const char *, struct err *);
int conf_check_default(const char *, struct err *); /* rewrite.default */
int conf_check_domain(const char *, struct err *);
int conf_check_listen(const char *, struct err *);
int conf_check_cidr(const char *, struct err *);
int conf_check_suppress(const char *, struct err *);

/* What follows "fixed:" in a rewrite.default, or NULL. */
const char *conf_default_fixed(const char *);

/*
 * The region in the name of an endpoint HOST[:PORT]:
 * email-smtp.REGION.amazonaws.com, its FIPS twin, and
 * vpce-ID.email-smtp.REGION.vpce.amazonaws.com. Returns its length and
 * *region_r pointing into endpoint, or 0 when the name tells none.
 */
size_t conf_endpoint_region(const char *endpoint, const char **region_r);

#endif
