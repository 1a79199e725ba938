/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "identity/verified.h"
#include "ses/credentials.h"

/*
 * The parts of `postern check` that look at this host: the configuration's
 * sense, files and who may read them, identities, sockets.
 */

const char *
check_user(const struct check *c)
{
	return geteuid() == 0 ? c->conf->daemon.user : "you";
}

/* In a child that has become the user for good, since access rights are the
 * kernel's to judge. */
int
check_access_as(const struct passwd *p, const char *path, int how)
{
	int status;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid == -1)
		return errno;
	if (pid == 0) {
		if (initgroups(p->pw_name, p->pw_gid) == -1 ||
		    setgid(p->pw_gid) == -1 || setuid(p->pw_uid) == -1 ||
		    access(path, how) == -1)
			_exit(errno);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) == -1) {
		if (errno != EINTR)
			return errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EACCES;
}

int
check_access(const struct check *c, const char *path, int how)
{
	struct passwd *p;

	if (geteuid() != 0)
		return access(path, how) == 0 ? 0 : errno;
	p = getpwnam(c->conf->daemon.user);
	return p == NULL ? EACCES : check_access_as(p, path, how);
}

static void
check_times(struct check *c)
{
	const struct conf *conf = c->conf;

	if (conf->lmtp.answer_within > 600 * US_PER_SEC)
		check_warn(c,
		    "set lmtp.answer-within to 240s, or raise the MTA's "
		    "patience above it",
		    "lmtp.answer-within is over 600s, for which Postfix waits "
		    "by default after the final dot; then it would send "
		    "again");
	if (conf->ses.idle_timeout >= 10 * US_PER_SEC)
		check_warn(c, "set ses.idle-timeout to 8s",
		    "ses.idle-timeout is 10s or more, but SES drops silent "
		    "clients after about ten");
}

static void
check_sense(struct check *c)
{
	const struct conf *conf = c->conf;
	const char *port;
	size_t i;

	if (conf->identities.sandbox &&
	    (conf->quota.daily == CONF_UNLIMITED || conf->quota.daily > 200))
		check_warn(c,
		    "set identities { sandbox = no } if the account has left "
		    "the sandbox",
		    "identities.sandbox is yes, so recipients must be "
		    "verified, but quota.daily is above the sandbox's 200");
	for (i = 0; i < conf->ses.endpoint.n; i++) {
		port = strrchr(conf->ses.endpoint.items[i], ':');
		if (port != NULL && strcmp(port, ":25") == 0)
			check_warn(c, "use port 587 or 465",
			    "%s: networks often block port 25, and EC2 does",
			    conf->ses.endpoint.items[i]);
	}
}

void
check_conf(struct check *c)
{
	check_fine(c, "%s", c->conf->file);
	check_times(c);
	check_sense(c);
}

void
check_file(struct check *c, const char *path)
{
	struct stat st;
	char cure[600];
	int why;

	if (stat(path, &st) == -1) {
		check_wrong(c, "make it, or name another", "%s: %s", path,
		    errno == ENOENT ? "there is no such file"
				    : "it can't be looked at");
		return;
	}
	if ((st.st_mode & S_IWOTH) != 0) {
		(void)snprintf(cure, sizeof(cure), "chmod o-w %s", path);
		check_wrong(c, cure, "%s: anybody may write to it", path);
		return;
	}
	why = check_access(c, path, R_OK);
	if (why != 0) {
		(void)snprintf(cure, sizeof(cure),
		    "let user %s read it, and enter the directories above it",
		    c->conf->daemon.user);
		check_wrong(
		    c, cure, "%s: %s can't read it", path, check_user(c));
		return;
	}
	check_fine(c, "%s", path);
}

/* Passwords that can be known to fail, before SES is asked. */
static void
check_shape(struct check *c, const struct credential *one)
{
	size_t len = strlen(one->password);

	if (strncmp(one->user, "ASIA", 4) == 0)
		check_wrong(c,
		    "use the key of an IAM user, which begins with AKIA",
		    "%s: temporary credentials do not work for SMTP",
		    one->user);
	else if (len == 40)
		check_wrong(c,
		    "\"postern smtp-password\" derives the password from it",
		    "%s: the password looks like an IAM secret access key",
		    one->user);
	else if (len == 44 && one->password[0] == 'A')
		check_warn(c, "make new credentials",
		    "%s: the password is of the kind from before 2019, which "
		    "SES throttles",
		    one->user);
}

static void
no_credentials(struct check *c, const char *why)
{
	const char *path = c->conf->ses.credentials;
	struct stat st;
	char cure[600];

	if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		(void)snprintf(cure, sizeof(cure), "chmod 600 %s", path);
	else
		(void)snprintf(cure, sizeof(cure),
		    "put SMTP credentials there, one USERNAME:PASSWORD a "
		    "line, mode 0600");
	check_wrong(c, cure, "%s", why);
}

static void
check_credentials(struct check *c)
{
	struct credentials creds;
	struct err err;
	size_t i;

	if (credentials_load(c->conf->ses.credentials, &creds, &err) == -1) {
		no_credentials(c, err.text);
		return;
	}
	for (i = 0; i < creds.n; i++)
		check_shape(c, &creds.items[i]);
	credentials_wipe(&creds);
	check_file(c, c->conf->ses.credentials);
}

static void
check_daemon_user(struct check *c)
{
	const char *user = c->conf->daemon.user;

	if (geteuid() != 0)
		return;
	if (getpwnam(user) == NULL)
		check_wrong(c, "\"postern init\" makes it",
		    "there is no user %s (daemon.user)", user);
	else
		check_fine(c, "user %s", user);
}

/* The program at the start of a command, in a new string. */
static char *
first_word(const char *command)
{
	return mem_strndup(command, strcspn(command, " \t"));
}

static void
check_alarm(struct check *c)
{
	char *program;

	if (c->conf->daemon.alarm_command[0] == '\0')
		return;
	program = first_word(c->conf->daemon.alarm_command);
	if (check_access(c, program, X_OK) != 0)
		check_wrong(c, "install it, or mend daemon.alarm-command",
		    "%s: %s can't run it", program, check_user(c));
	else
		check_fine(c, "alarm command %s", program);
	free(program);
}

void
check_files(struct check *c)
{
	check_area(c, "Files");
	check_daemon_user(c);
	check_file(c, c->conf->file);
	check_credentials(c);
	if (c->conf->ses.ca_file[0] != '\0')
		check_file(c, c->conf->ses.ca_file);
	check_alarm(c);
}

void
check_identities(struct check *c)
{
	const char *file = c->conf->identities.file;
	struct verified *v;
	struct err err;
	size_t n = 0;

	check_area(c, "Identities");
	v = verified_load(file, &err);
	if (v == NULL) {
		check_unread(c, "identities.file", &err,
		    "mend that line: a domain or an address",
		    "make it, or name another");
		return;
	}
	if (file[0] != '\0')
		check_file(c, file);
	while (verified_item(v, n) != NULL)
		n++;
	if (n > 0)
		check_fine(c, "%zu verified", n);
	else
		check_warn(c,
		    "list the verified domains and addresses in "
		    "identities.file",
		    "none are known: senders that SES will refuse are found "
		    "out only by sending");
	verified_release(v);
}

static size_t
dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash > path ? (size_t)(slash - path) : 1;
}

/* The directory of a socket, where the daemon makes and removes it. */
static void
check_socket_dir(struct check *c, const char *path)
{
	char *dir = mem_strndup(path, dir_len(path));
	struct stat st;

	if (stat(dir, &st) == -1 || !S_ISDIR(st.st_mode))
		check_wrong(c,
		    "\"postern init\" makes " RUNSTATEDIR "/postern, and "
		    "with --postfix one in Postfix's chroot",
		    "%s: there is no such directory, for %s", dir, path);
	else if (check_access(c, dir, W_OK | X_OK) != 0)
		check_warn(c,
		    "give it to daemon.user; a daemon started as root can "
		    "make its socket all the same, but not remove it",
		    "%s: %s can't write to it", dir, check_user(c));
	else
		check_fine(c, "directory %s", dir);
	free(dir);
}

/* 0 when somebody listens there, or an errno value. */
static int
try_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int why = 0, fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd == -1)
		return errno;
	/* Who has too many waiting is there, too: EAGAIN. */
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1 &&
	    errno != EAGAIN)
		why = errno;
	(void)close(fd);
	return why;
}

/* Whether the posternd that runs listens where the configuration says. Who may
 * not look, can't tell. */
static void
check_listens(struct check *c, const char *path)
{
	static const char cure[] =
	    "restart posternd: lmtp.listen takes effect only then";
	struct stat st;
	int why;

	if (lstat(path, &st) == -1) {
		if (errno != EACCES)
			check_wrong(
			    c, cure, "%s: posternd runs without it", path);
		return;
	}
	why = S_ISSOCK(st.st_mode) ? try_socket(path) : ENOTSOCK;
	if (why == 0)
		check_fine(c, "posternd listens at %s", path);
	else if (why != EACCES && why != EPERM)
		check_wrong(c, cure, "%s: nobody listens there: %s", path,
		    strerror(why));
}

static void
check_listen(struct check *c, const char *listen)
{
	const char *control = c->conf->daemon.control, *group = NULL;
	char *path;

	if (strncmp(listen, "unix:", 5) != 0)
		return;
	path = mem_strndup(listen + 5, strcspn(listen + 5, ":"));
	if (dir_len(path) != dir_len(control) ||
	    strncmp(path, control, dir_len(path)) != 0)
		check_socket_dir(c, path);
	if (listen[5 + strlen(path)] == ':')
		group = strchr(listen + 5 + strlen(path) + 1, ':');
	if (group != NULL && getgrnam(group + 1) == NULL)
		check_wrong(c, "name the group that the MTA runs in",
		    "%s: there is no group %s", listen, group + 1);
	if (c->running)
		check_listens(c, path);
	free(path);
}

/* Whether posternd is there, by its door. */
static bool
check_running(struct check *c)
{
	const char *path = c->conf->daemon.control;
	int why = try_socket(path);

	if (why == 0)
		check_fine(c, "posternd answers at %s", path);
	else if (why == EACCES)
		check_warn(c, "run this as root to see it",
		    "posternd does not answer at %s: no permission", path);
	else
		check_warn(c,
		    "systemctl start posternd; its log says why it ended",
		    "posternd does not answer at %s: it is not running", path);
	return why == 0;
}

void
check_sockets(struct check *c)
{
	size_t i;

	check_area(c, "Sockets");
	check_socket_dir(c, c->conf->daemon.control);
	c->running = check_running(c);
	for (i = 0; i < c->conf->lmtp.listen.n; i++)
		check_listen(c, c->conf->lmtp.listen.items[i]);
}
