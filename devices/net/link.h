/*
 * The host's side of a vif: what its frames go to and come from. Everything runs in the
 * event loop's thread.
 */
#ifndef DEVICES_NET_LINK_H
#define DEVICES_NET_LINK_H

#include "devices/device.h"
#include "devices/net/packet.h"
#include "devices/net/vif_spec.h"

struct link;

struct link_ops {
	const char *name; /* "user", "tap", "socket" */
	/* A frame of the guest's; it may be changed. 0; -EAGAIN: keep it until owner.ready;
	 * another negative errno: it is lost. */
	int (*send)(struct link *l, struct packet *p);
	/* After some frames were sent. May be NULL. */
	void (*flush)(struct link *l);
	/* Are frames for the guest wanted? At first they are. */
	void (*want)(struct link *l, bool wanted);
	/* What the frontend takes over: blank checksums, TCP to be cut. May be NULL. */
	void (*offload)(struct link *l, bool checksum, bool tso4, bool tso6);
	void (*close)(struct link *l);
};

/* Whom the link serves. */
struct link_owner {
	/* A frame for the guest; good for the call. */
	void (*receive)(void *arg, struct packet *p);
	/* After some frames. */
	void (*done)(void *arg);
	/* Frames can be sent again. */
	void (*ready)(void *arg);
	/* The other end came or went. */
	void (*carrier)(void *arg, bool up);
	void (*log)(void *arg, enum log_level level, const char *text);
	void *arg;
};

/* The first member of each. */
struct link {
	const struct link_ops *ops;
	struct link_owner owner;
	struct event_loop *loop;
	bool carrier; /* somebody is at the other end */
	bool wanted;  /* frames for the guest */
};

/* Each: NULL and a sentence on an error. `name`: the interface's on the host. */
struct link *link_user_open(struct event_loop *l, const struct vif_spec *s,
			    const struct link_owner *owner, char *err, size_t errlen);
struct link *link_tap_open(struct event_loop *l, const struct vif_spec *s, const char *name,
			   const struct link_owner *owner, char *err, size_t errlen);
struct link *link_socket_open(struct event_loop *l, const struct vif_spec *s,
			      const struct link_owner *owner, char *err, size_t errlen);

#endif
