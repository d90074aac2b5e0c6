/*
 * How a vfio-user connection begins: versions, and capabilities as JSON.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "devices/pci/vfio_user.h"

#define MAX_HELLO 4096

static const char ours[] = "{\"capabilities\": {\"max_msg_fds\": 16, "
			   "\"max_data_xfer_size\": 1048576, \"pgsizes\": 4096}}";
_Static_assert(VFIO_USER_MAX_FDS == 16 && VFIO_USER_DEFAULT_TRANSFER == 1048576, "as it says");

/* A number of at least `least`; *value stays when it is not there. False: it is no such number. */
static bool number(const json_t *caps, const char *key, unsigned least, unsigned *value)
{
	const json_t *v = json_object_get(caps, key);

	if (!v)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < least)
		return false;
	*value = json_integer_value(v) > 0x7fffffff ? 0x7fffffff : (unsigned)json_integer_value(v);
	return true;
}

/* NULL, or what is wrong with it. */
static const char *read_json(struct vfio_user_link *l, const char *text, size_t len)
{
	unsigned pages = 4096;
	const char *wrong = NULL;
	json_t *root;

	if (!len)
		return NULL; /* it may be missing: all is as by default */
	if (text[len - 1])
		return "its capabilities do not end";
	root = json_loads(text, 0, NULL);
	if (!root)
		return "its capabilities are no JSON";
	json_t *caps = json_object_get(root, "capabilities");
	if (!json_is_object(root) || (caps && !json_is_object(caps)))
		wrong = "its capabilities are no object";
	else if (!number(caps, "max_msg_fds", 0, &l->max_fds) ||
		 !number(caps, "max_data_xfer_size", 8, &l->max_transfer) ||
		 !number(caps, "max_dma_maps", 1, &l->max_maps) ||
		 !number(caps, "pgsizes", 1, &pages))
		wrong = "one of its capabilities is no number, or too small";
	else if (!(pages & 4096))
		wrong = "it knows no pages of 4096 bytes";
	json_decref(root);
	if (l->max_fds > VFIO_USER_MOST_FDS)
		l->max_fds = VFIO_USER_MOST_FDS;
	return wrong;
}

int vfio_user_hello(struct vfio_user_link *l, const char *path, char *err, size_t errlen)
{
	struct vfio_user_version v = {VFIO_USER_MAJOR, VFIO_USER_MINOR};
	struct {
		struct vfio_user_version version;
		char json[MAX_HELLO];
	} answer;
	struct vfio_user_request r = {.command = VFIO_USER_VERSION,
				      .data = &v,
				      .size = sizeof(v),
				      .data2 = ours,
				      .size2 = sizeof(ours),
				      .reply = &answer,
				      .least = sizeof(answer.version),
				      .room = sizeof(answer)};
	const char *wrong = NULL;
	int rc = vfio_user_ask(l, &r);

	if (rc && rc != -EIO) {
		snprintf(err, errlen, "%s: its server refuses version %u.%u of vfio-user: %s", path,
			 VFIO_USER_MAJOR, VFIO_USER_MINOR, strerror(-rc));
		return rc;
	}
	if (rc)
		return rc;
	if (answer.version.major != VFIO_USER_MAJOR || answer.version.minor > VFIO_USER_MINOR) {
		snprintf(err, errlen, "%s: its server speaks version %u.%u of vfio-user, not %u.%u",
			 path, answer.version.major, answer.version.minor, VFIO_USER_MAJOR,
			 VFIO_USER_MINOR);
		return -EPROTO;
	}
	wrong = read_json(l, answer.json, r.got - sizeof(answer.version));
	if (wrong) {
		snprintf(err, errlen, "%s: its server does not speak vfio-user as specified: %s",
			 path, wrong);
		return -EPROTO;
	}
	return 0;
}
