/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/hidden.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "store/place.h"

static int
read_key(const char *name, struct hidden_key *key, struct err *err)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1)
		return err_sys(err, ERR_LOCAL, errno, "open %s", name);
	n = read(fd, key->bytes, sizeof(key->bytes));
	(void)close(fd);
	if (n != (ssize_t)sizeof(key->bytes))
		return err_set(err, ERR_STATE, "%s is no key", name);
	return 1;
}

int
hidden_key_load(const char *path, struct hidden_key *key, struct err *err)
{
	char *name = mem_printf("%s-key", path);
	int rc = read_key(name, key, err);

	free(name);
	return rc;
}

/* part is a template, and then the file's name (mode 0600). */
static int
write_key(char *part, const struct hidden_key *key, struct err *err)
{
	int fd = mkstemp(part), rc = 0;

	if (fd == -1)
		return err_sys(err, ERR_LOCAL, errno, "create %s", part);
	if (write(fd, key->bytes, sizeof(key->bytes)) !=
		(ssize_t)sizeof(key->bytes) ||
	    fsync(fd) == -1)
		rc = err_sys(err, errno == ENOSPC ? ERR_FULL : ERR_LOCAL,
		    errno, "write %s", part);
	(void)close(fd);
	if (rc == -1)
		(void)unlink(part);
	return rc;
}

/* Root may run the CLI; the key is posternd's. */
static void
give_to_owner(const char *part, const char *path)
{
	struct stat st;

	if (geteuid() == 0 && stat(path, &st) == 0)
		(void)!lchown(part, st.st_uid, st.st_gid);
}

/* Two may be the first: the key that has the name by then is everybody's. */
static int
publish(const char *part, const char *name, struct hidden_key *key,
    struct err *err)
{
	int rc;

	if (link(part, name) == 0)
		return place_sync(name, err);
	if (errno != EEXIST)
		return err_sys(err, ERR_LOCAL, errno, "link to %s", name);
	rc = read_key(name, key, err);
	return rc == 0 ? err_set(err, ERR_STATE, "%s went away", name) : rc;
}

int
hidden_key_make(const char *path, struct hidden_key *key, struct err *err)
{
	char *name = mem_printf("%s-key", path);
	char *part = mem_printf("%s.XXXXXX", name);
	int rc = read_key(name, key, err);

	if (rc == 0) {
		crypto_random(key->bytes, sizeof(key->bytes));
		rc = write_key(part, key, err);
		if (rc == 0) {
			give_to_owner(part, path);
			rc = publish(part, name, key, err);
			(void)unlink(part);
		}
	}
	free(part);
	free(name);
	return rc == -1 ? -1 : 0;
}

const char *
hidden_name(
    const struct hidden_key *key, const char *address, char name[HIDDEN_LEN])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char mac[SHA256_LEN];
	char *p = name + sizeof(HIDDEN_PREFIX) - 1;

	memcpy(name, HIDDEN_PREFIX, sizeof(HIDDEN_PREFIX));
	crypto_hmac_sha256(
	    key->bytes, sizeof(key->bytes), address, strlen(address), mac);
	for (size_t i = 0; i < sizeof(mac); i++) {
		*p++ = digits[mac[i] >> 4];
		*p++ = digits[mac[i] & 15];
	}
	*p = '\0';
	return name;
}
