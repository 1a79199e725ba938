/*
 * who: the one at the keyboard, as the journal names people.
 */
#ifndef CLI_WHO_H
#define CLI_WHO_H

/* "name (uid N)", as posternd names its peers. Returns text. */
#define WHO_LEN 80
const char *who_am_i(char text[WHO_LEN]);

#endif
