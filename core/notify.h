/*
 * notify: tell a supervisor (systemd's notify socket, sd_notify(3)) how we are.
 */
#ifndef CORE_NOTIFY_H
#define CORE_NOTIFY_H

/* Send "READY=1", "STOPPING=1", ... to $NOTIFY_SOCKET; nothing without one. */
void notify_send(const char *state);

#endif
