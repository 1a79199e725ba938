/*
 * password: the SMTP password that belongs to an IAM secret access key.
 *
 * SES takes no access keys over SMTP: each region has a password of its own,
 * derived from the key (SES facts section 5). Temporary credentials don't work:
 * the chain has no place for their session token.
 */
#ifndef SES_PASSWORD_H
#define SES_PASSWORD_H

/*
 * 44 characters of base64 in a new string: a secret, to be wiped before free().
 */
char *password_derive(const char *secret_key, const char *region);

#endif
