/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/socket.h"

static char dir[] = "/tmp/t_socket-XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[2][64];
	static size_t i;

	i = !i;
	(void)snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

/* What stands at the name when the group is to be given to it. */
enum there { SOCKET, LINKED_SOCKET, PLAIN_FILE, SYMLINK, NOTHING };

static int
put_there(void *arg, const struct sockaddr_un *un, struct err *err)
{
	enum there there = *(enum there *)arg;
	int fd = -1;

	(void)err;
	if (there == SOCKET || there == LINKED_SOCKET) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(bind(fd, (const struct sockaddr *)un,
				     sizeof(*un)), 0);
	} else if (there == PLAIN_FILE) {
		fd = open(un->sun_path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	}
	if (fd != -1)
		(void)close(fd);
	if (there == LINKED_SOCKET)
		assert_int_equal(link(un->sun_path, in_dir("link")), 0);
	if (there == SYMLINK)
		assert_int_equal(symlink("/dev/null", un->sun_path), 0);
	return 0;
}

static int
bind_as(enum there there, struct err *err)
{
	const struct group *own = getgrgid(getegid());
	struct socket_spec spec;
	char text[128];
	int rc;

	assert_non_null(own);
	(void)snprintf(text, sizeof(text), "unix:%s:0640:%s", in_dir("s"),
	    own->gr_name);
	assert_int_equal(socket_spec(text, &spec, err), 0);
	rc = socket_bind_unix(&spec, put_there, &there, err);
	(void)unlink(in_dir("link"));
	return rc;
}

static void
gives_the_group_to_its_socket_alone(void **state)
{
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(bind_as(SOCKET, &err), 0);
	assert_int_equal(lstat(in_dir("s"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_gid, getegid());
	assert_int_equal(unlink(in_dir("s")), 0);

	for (enum there there = LINKED_SOCKET; there <= SYMLINK; there++) {
		assert_int_equal(bind_as(there, &err), -1);
		assert_int_equal(err.class, ERR_CONFIG);
		assert_contains(err.text, "is not the socket");
		assert_int_equal(unlink(in_dir("s")), 0);
	}
	assert_int_equal(bind_as(NOTHING, &err), -1);
	assert_contains(err.text, "No such file");
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_group_to_its_socket_alone),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
