/*
 * privilege: root for as long as it takes to bind, then never again; and what
 * the kernel grants.
 */
#ifndef CORE_PRIVILEGE_H
#define CORE_PRIVILEGE_H

#include "core/err.h"

/*
 * Started as root: what is made from now on, sockets above all, belongs to the
 * user's group.
 */
int privilege_group(const char *user, struct err *);

/*
 * Started as root: become user for good, with its groups. Started as anyone
 * else: nothing.
 */
int privilege_drop(const char *user, struct err *);

/*
 * Before root is gone: as many descriptors as may be needed, or a warning with
 * a hint what else can be done.
 */
void privilege_descriptors(unsigned long wanted, const char *hint);

#endif
