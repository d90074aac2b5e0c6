/*
 * An image behind an NBD server: its connections. One for each queue, all made when the
 * image is opened.
 */
#ifndef DEVICES_BLOCK_NBD_IMAGE_H
#define DEVICES_BLOCK_NBD_IMAGE_H

#include <stdbool.h>

#include "devices/block/nbd_library.h"
#include "devices/block/nbd_server.h"

struct nbd_connection {
	struct nbd_handle *handle; /* NULL: the server is lost */
	bool used;
};

struct nbd_image {
	struct nbd_library lib;
	struct nbd_server server; /* ours, or none */
	unsigned timeout_ms;
	_Atomic bool stalled; /* it did not answer in time */
	unsigned nr;
	struct nbd_connection connection[];
};

#endif
