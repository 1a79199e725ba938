/*
 * command: bytes of an LMTP command line into verb and arguments. No I/O, no
 * state.
 */
#ifndef LMTP_COMMAND_H
#define LMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/err.h"

/*
 * RFC 5321 section 4.5.3.1.4 asks for 512; parameters of SMTPUTF8 (RFC 6531
 * section 3.4) and XFORWARD want more.
 */
#define COMMAND_LINE_MAX 2048

struct command {
	char verb[16];			 /* in capitals, "" for none */
	char arg[COMMAND_LINE_MAX + 1];	 /* the rest, blanks at both ends trimmed */
};

/*
 * line ends in CRLF or LF. -1 for what can't be a command: NUL or bare CR in
 * it.
 */
int command_parse(const char *line, size_t len, struct command *);

/*
 * The path after "FROM:" or "TO:" (without regard to case; blanks after the
 * colon are forgiven, as everybody does), *params_r what follows. -1 when the
 * keyword is missing; the fault of the address otherwise.
 */
int command_path(const char *arg, const char *keyword, struct address *,
    const char **params_r, enum address_fault *fault_r, struct err *);

/*
 * The next KEY or KEY=VALUE at *params, which moves on. key holds 32 bytes,
 * value 512. false at the end; err set (and true) is not a thing: what is too
 * long comes cut and matches nothing.
 */
bool command_param(const char **params, char key[32], char value[512]);

/* Decode xtext (RFC 3461 section 4) in place. */
void command_xtext(char *text);

#endif
