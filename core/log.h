/*
 * log: one line an event, `id=ID event=NAME key=value ...`, to syslog or stderr.
 *
 * Values are escaped here and nowhere else: control characters, blanks, quotes
 * and bytes that are not UTF-8 can't forge a line. Levels say whose trouble it
 * is: error when an operator must act, warning when soon, info for everything
 * that is the world's. Safe from any thread.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };
enum log_to { LOG_TO_STDERR, LOG_TO_SYSLOG };

/* Until called, lines go to stderr under the name "postern". */
void log_open(const char *program, enum log_to);

/*
 * Key and value pairs follow, all const char *; a NULL value leaves its pair
 * out; LOG_END ends the list (the macros add it). id may be NULL.
 */
#define LOG_END ((const char *)0)
void log_event(enum log_level, const char *id, const char *event, ...)
    __attribute__((sentinel));

#define log_error(id, ...) log_event(LOG_LEVEL_ERROR, id, __VA_ARGS__, LOG_END)
#define log_warning(id, ...) \
	log_event(LOG_LEVEL_WARNING, id, __VA_ARGS__, LOG_END)
#define log_info(id, ...) log_event(LOG_LEVEL_INFO, id, __VA_ARGS__, LOG_END)

/* A number as a value: log_info(id, "sent", "n", LOG_NUM(n)). Lives as long as
 * the enclosing block. */
#define LOG_NUM(n) log_number((long long)(n), (char[24]) { 0 })
const char *log_number(long long n, char buf[24]);

/* Start-up only: say why and exit with status 1 (also: out of memory). */
_Noreturn void log_fatal(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

#endif
