/*
 * knobs: what can be set, on the command line and through the control socket
 * alike.
 */
#ifndef SANDBOX_KNOBS_H
#define SANDBOX_KNOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "sandbox/sandbox.h"

/* 0, or -1 and err (ERR_CONFIG), which names the knob and what would be right.
 */
int knob_set(
    struct sandbox *, const char *name, const char *value, struct err *);

/* For those that are lists: take a word out, or all. */
int knob_remove(
    struct sandbox *, const char *name, const char *value, struct err *);
int knob_clear(struct sandbox *, const char *name, struct err *);

/* For the command line's help. False past the end. */
bool knob_describe(
    size_t i, const char **name_r, const char **arg_r, const char **help_r);

/* "10s", "250ms", "24h" in microseconds; "0" needs no unit. */
int knob_duration(const char *, long long *us_r);

#endif
