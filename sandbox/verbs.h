/*
 * verbs: what SES makes of each command.
 */
#ifndef SANDBOX_VERBS_H
#define SANDBOX_VERBS_H

struct session;

/* Serve the command in s->line. */
void verbs_serve(struct session *);

/* AUTH (auth.c), and DATA with all that follows up to the reply after the dot
 * (data.c). */
void auth_serve(struct session *, char *arg);
void data_serve(struct session *, char *arg);

#endif
