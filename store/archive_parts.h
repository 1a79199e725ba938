/*
 * archive_parts: what the files of archive share. archive.c reads one,
 * archive_build.c makes one, and checks it.
 */
#ifndef STORE_ARCHIVE_PARTS_H
#define STORE_ARCHIVE_PARTS_H

#include "store/archive.h"

/*
 * Before it is opened: ERR_STATE for what is no file, or too small for a
 * database.
 */
int archive_look_before(const char *file, struct err *);

#endif
