/*
 * A PCI function that another program serves, over vfio-user: `--pci vfio-user=PATH`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/pci/pci_options.h"
#include "devices/pci/vfio_user.h"
#include "pvabi/pvabi.h"

#define DEFAULT_TIMEOUT 5
#define MAX_REGION_INFO 4096
#define MAX_DATA	8 /* of an access */

static int ask(struct vfio_user_link *l, uint16_t command, const void *data, size_t size,
	       void *reply, size_t room)
{
	struct vfio_user_request r = {.command = command,
				      .data = data,
				      .size = size,
				      .reply = reply,
				      .least = room,
				      .room = room};

	return vfio_user_ask(l, &r);
}

/* ---- descriptions ---- */

static int device_info(struct vfio_link *link, struct vfio_device_info *info)
{
	struct vfio_user_device_info q = {.argsz = sizeof(q)}, d = {.argsz = 0};
	int rc = ask((struct vfio_user_link *)link, VFIO_USER_DEVICE_GET_INFO, &q, sizeof(q), &d,
		     sizeof(d));

	((struct vfio_user_link *)link)->resets = !rc && d.flags & VFIO_DEVICE_FLAGS_RESET;
	info->flags = d.flags & ~(uint32_t)VFIO_DEVICE_FLAGS_CAPS;
	info->num_regions = d.num_regions;
	info->num_irqs = d.num_irqs;
	return rc;
}

static int region_info(struct vfio_link *link, struct vfio_region_info *info)
{
	struct vfio_user_link *l = (struct vfio_user_link *)link;
	struct vfio_region_info question = {.argsz = info->argsz, .index = info->index};
	int fds[VFIO_USER_MAX_FDS];
	struct vfio_user_request r = {.command = VFIO_USER_DEVICE_GET_REGION_INFO,
				      .data = &question,
				      .size = sizeof(question),
				      .reply = info,
				      .least = sizeof(*info),
				      .room = info->argsz,
				      .reply_fds = fds};
	int rc = vfio_user_ask(l, &r);

	if (rc)
		return rc;
	if (info->index != question.index)
		rc = -EPROTO;
	for (unsigned i = 0; i < r.nr_reply_fds; i++) {
		if (!rc && l->region[info->index].fd < 0) {
			l->region[info->index].fd = fds[i];
			l->region[info->index].offset = info->offset;
		} else
			close(fds[i]);
	}
	/* What the answer's list of capabilities may reach into. */
	if (r.got < question.argsz)
		memset((uint8_t *)info + r.got, 0, question.argsz - r.got);
	return rc;
}

static int irq_info(struct vfio_link *link, struct vfio_irq_info *info)
{
	struct vfio_irq_info q = {.argsz = sizeof(q), .index = info->index};

	return ask((struct vfio_user_link *)link, VFIO_USER_DEVICE_GET_IRQ_INFO, &q, sizeof(q),
		   info, sizeof(*info));
}

/* ---- interrupts ---- */

static int set_some(struct vfio_user_link *l, const struct vfio_irq_set *set, unsigned start,
		    unsigned count, const int *fds)
{
	struct vfio_irq_set s = *set;
	struct vfio_user_request r = {.command = VFIO_USER_DEVICE_SET_IRQS,
				      .data = &s,
				      .size = sizeof(s),
				      .fds = fds,
				      .nr_fds = fds ? count : 0};

	s.argsz = sizeof(s);
	s.start = start;
	s.count = count;
	return vfio_user_ask(l, &r);
}

/*
 * A message has as many descriptors as vectors, and no more than the server takes. The last
 * vectors come first: a server that finds room for as many as it is told of first
 * (VFIO_IRQ_INFO_NORESIZE) has it for all then.
 */
static int set_irqs(struct vfio_link *link, const struct vfio_irq_set *set, const int *fds)
{
	struct vfio_user_link *l = (struct vfio_user_link *)link;
	unsigned end = set->count;
	int rc = 0;

	if (!(set->flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return set_some(l, set, set->start, set->count, NULL);
	while (end && !rc) {
		unsigned start = end;
		while (start && fds[start - 1] >= 0 && end - start < l->max_fds)
			start--;
		if (start == end) {
			if (fds[end - 1] >= 0)
				return -ENOTSUP; /* it takes no descriptors at all */
			end--;
			continue;
		}
		rc = set_some(l, set, set->start + start, end - start, fds + start);
		end = start;
	}
	return rc;
}

/* ---- regions ---- */

static int region_read(struct vfio_link *link, unsigned region, uint64_t offset, void *buf,
		       size_t len)
{
	struct vfio_user_link *l = (struct vfio_user_link *)link;
	struct vfio_user_region_access a = {offset, region, (uint32_t)len};
	struct {
		struct vfio_user_region_access access;
		uint8_t data[MAX_DATA];
	} reply;
	struct vfio_user_request r = {.command = VFIO_USER_REGION_READ,
				      .data = &a,
				      .size = sizeof(a),
				      .reply = &reply,
				      .least = sizeof(a) + len,
				      .room = sizeof(a) + len};

	if (len > MAX_DATA)
		return -EINVAL;
	int rc = vfio_user_ask(l, &r);
	if (!rc && memcmp(&a, &reply.access, sizeof(a))) {
		vfio_user_break(l, "answers a read of another place than was asked for");
		rc = -EIO;
	}
	if (!rc)
		memcpy(buf, reply.data, len);
	return rc;
}

static int region_write(struct vfio_link *link, unsigned region, uint64_t offset, const void *buf,
			size_t len)
{
	struct vfio_user_region_access a = {offset, region, (uint32_t)len}, reply;
	struct vfio_user_request r = {.command = VFIO_USER_REGION_WRITE,
				      .data = &a,
				      .size = sizeof(a),
				      .data2 = buf,
				      .size2 = len,
				      .reply = &reply,
				      .least = sizeof(reply),
				      .room = sizeof(reply)};

	return vfio_user_ask((struct vfio_user_link *)link, &r);
}

/* Is there memory behind these bytes of the file, and can the server not take it away? */
static bool can_map(const struct vfio_user_link *l, int fd, uint64_t offset, size_t len)
{
	struct stat st;

	if (l->map == VFIO_USER_NONE || fd < 0 || fstat(fd, &st) || offset + len < offset)
		return false;
	if (l->map == VFIO_USER_ANY)
		return !S_ISREG(st.st_mode) || offset + len <= (uint64_t)st.st_size;
	int seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && seals & F_SEAL_SHRINK && offset + len <= (uint64_t)st.st_size;
}

static void *region_map(struct vfio_link *link, unsigned region, uint64_t offset, size_t len)
{
	struct vfio_user_link *l = (struct vfio_user_link *)link;
	uint64_t at = l->region[region].offset + offset;

	if (!can_map(l, l->region[region].fd, at, len))
		return NULL;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, l->region[region].fd,
		       (off_t)at);
	return p == MAP_FAILED ? NULL : p;
}

static void region_unmap(struct vfio_link *link, void *memory, size_t len)
{
	munmap(memory, len);
}

/* ---- bells ---- */

static bool is_eventfd(int fd)
{
	char path[64], target[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	return !strcmp(target, "anon_inode:[eventfd]");
}

/* A server need not have them: an error means none. */
static unsigned region_bells(struct vfio_link *link, unsigned region, struct pci_bar_notify *bell,
			     unsigned max)
{
	struct vfio_user_link *l = (struct vfio_user_link *)link;
	struct {
		struct vfio_user_io_fds head;
		struct vfio_user_io_fd fd[VFIO_MAX_BELLS];
	} reply;
	struct vfio_user_io_fds q = {.argsz = sizeof(reply), .index = region};
	struct vfio_user_request r = {.command = VFIO_USER_DEVICE_GET_REGION_IO_FDS,
				      .data = &q,
				      .size = sizeof(q),
				      .reply = &reply,
				      .least = sizeof(reply.head),
				      .room = sizeof(reply),
				      .reply_fds = l->bell[region]};
	unsigned nr = 0;

	if (vfio_user_ask(l, &r))
		return 0;
	for (unsigned i = r.nr_reply_fds; i < VFIO_USER_MAX_FDS; i++)
		l->bell[region][i] = -1;
	unsigned count = (unsigned)((r.got - sizeof(reply.head)) / sizeof(reply.fd[0]));
	if (reply.head.count < count)
		count = reply.head.count;
	for (unsigned i = 0; i < count && nr < max; i++) {
		const struct vfio_user_io_fd *f = &reply.fd[i];
		/* Any value, memory, and a width that an instruction has: others are written
		 * by messages. */
		if (f->type == VFIO_USER_IO_EVENTFD && !f->flags && f->fd_index < r.nr_reply_fds &&
		    is_eventfd(l->bell[region][f->fd_index]) &&
		    (!f->size || f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8))
			bell[nr++] = (struct pci_bar_notify){.offset = f->offset,
							     .bytes = (unsigned)f->size,
							     .fd = l->bell[region][f->fd_index]};
	}
	return nr;
}

static int device_reset(struct vfio_link *link)
{
	struct vfio_user_link *l = (struct vfio_user_link *)link;

	return l->resets ? ask(l, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0) : -ENOTSUP;
}

static void link_destroy(struct vfio_link *link)
{
	struct vfio_user_link *l = (struct vfio_user_link *)link;

	vfio_user_disconnect(l);
	free(l);
}

static const struct vfio_link_ops link_ops = {
	.device_info = device_info,
	.region_info = region_info,
	.irq_info = irq_info,
	.set_irqs = set_irqs,
	.read = region_read,
	.write = region_write,
	.map = region_map,
	.unmap = region_unmap,
	.bells = region_bells,
	.reset = device_reset,
	.destroy = link_destroy,
};

/* ---- the guest's memory ---- */

static int dma_map(struct vfio_user_link *l, uint64_t start, uint64_t end, int fd, uint64_t offset)
{
	struct vfio_user_dma_map m = {
		.argsz = sizeof(m),
		.flags = VFIO_USER_DMA_READABLE | VFIO_USER_DMA_WRITEABLE,
		.offset = fd < 0 ? 0 : offset + start,
		.address = start,
		.size = end - start,
	};
	struct vfio_user_request r = {.command = VFIO_USER_DMA_MAP,
				      .data = &m,
				      .size = sizeof(m),
				      .fds = &fd,
				      .nr_fds = fd >= 0};

	return start < end ? vfio_user_ask(l, &r) : 0;
}

static int map_memory(struct vfio_user_link *l)
{
	struct vfio_range ram[VFIO_MAX_RANGES];
	unsigned nr = vfio_ram_ranges(l->host->domain, ram);
	uint64_t offset = 0, size;
	void *memory;
	int fd = -1, rc = 0;

	if (l->memory == VFIO_USER_PRIVATE || !l->max_fds ||
	    l->host->guest_memory(l->host, &fd, &offset, &size, &memory))
		fd = -1;
	for (unsigned i = 0; !rc && i < nr; i++)
		rc = dma_map(l, ram[i].start, ram[i].end, fd, offset);
	return rc;
}

/* ---- the model ---- */

static const struct pci_option option_table[] = {
	PCI_NUMBER(struct vfio_user_options, "timeout", timeout, 1, 3600),
	PCI_CHOICE(struct vfio_user_options, "memory", memory, "shared|private"),
	PCI_CHOICE(struct vfio_user_options, "map", map, "sealed|any|none"),
	PCI_OPTIONS_END,
};

static int parse(const char *options, struct vfio_user_options *o, char *err, size_t errlen)
{
	size_t len = strcspn(options ? options : "", ",");

	*o = (struct vfio_user_options){.timeout = DEFAULT_TIMEOUT};
	if (!len) {
		snprintf(err, errlen, "vfio-user needs the path of its server's socket");
		return -EINVAL;
	}
	int rc = pci_options_parse(option_table, o, options[len] ? options + len + 1 : NULL, err,
				   errlen);
	if (rc)
		return rc;
	o->path = strndup(options, len);
	if (!o->path)
		snprintf(err, errlen, "out of memory");
	return o->path ? 0 : -ENOMEM;
}

static int check(const char *options, bool files, char *err, size_t errlen)
{
	struct vfio_user_options o;
	struct stat st;
	int rc = parse(options, &o, err, errlen);

	if (rc)
		return rc;
	if (files && stat(o.path, &st)) {
		rc = -errno;
		snprintf(err, errlen, "%s: %s", o.path,
			 rc == -ENOENT ? "there is no such socket; start the vfio-user server first"
				       : strerror(-rc));
	} else if (files && !S_ISSOCK(st.st_mode)) {
		rc = -ENOTSOCK;
		snprintf(err, errlen, "%s is no socket, so there is no vfio-user server", o.path);
	}
	free(o.path);
	return rc;
}

static void stats(struct pci_device *d, void *file)
{
	struct vfio_user_link *l = (struct vfio_user_link *)((struct vfio_function *)d)->link;

	vfio_stats(d, file);
	fprintf(file, ", \"dma_reads\": %llu, \"dma_writes\": %llu",
		(unsigned long long)l->dma_reads, (unsigned long long)l->dma_writes);
}

static const struct pci_device_ops user_ops = {.model = "vfio-user", VFIO_FUNCTION_OPS(stats)};

static struct pci_device *create(struct pci_host *h, const char *options, char *err, size_t errlen)
{
	struct vfio_user_options o;
	struct pci_device *d = NULL;

	if (parse(options, &o, err, errlen))
		return NULL;
	struct vfio_user_link *l = calloc(1, sizeof(*l));
	if (!l) {
		snprintf(err, errlen, "out of memory");
		free(o.path);
		return NULL;
	}
	l->link.ops = &link_ops;
	l->host = h;
	l->timeout_ms = o.timeout * 1000;
	l->memory = o.memory;
	l->map = o.map;
	err[0] = 0;
	int rc = vfio_user_connect(l, o.path, err, errlen);
	if (!rc)
		rc = vfio_user_hello(l, o.path, err, errlen);
	/* Servers keep a device as the client before left it. */
	struct vfio_device_info info = {.argsz = sizeof(info)};
	if (!rc && !device_info(&l->link, &info))
		device_reset(&l->link);
	if (!rc)
		d = vfio_function_create(h, &user_ops, &l->link, o.path, err, errlen);
	if (d) {
		l->device = d;
		rc = map_memory(l);
		/* A server may refuse what it does not need. */
		if (rc && rc != -EIO)
			domain_log(h->domain, LOG_WARN,
				   "pci: the server of %s refuses the guest's memory (%s): the "
				   "device can do no DMA",
				   d->name, strerror(-rc));
	}
	pthread_mutex_lock(&l->lock);
	bool broken = l->broken;
	if (broken)
		snprintf(err, errlen, "%s: its server %s", o.path, l->why);
	pthread_mutex_unlock(&l->lock);
	free(o.path);
	if (d && !broken)
		return d;
	if (d)
		d->ops->destroy(d);
	else
		link_destroy(&l->link);
	return NULL;
}

const struct pci_model pci_vfio_user = {
	.name = "vfio-user",
	.create = create,
	.check = check,
	.options_help = "PATH[,timeout=SECONDS][,memory=private][,map=any|none]: a function that "
			"the program at that socket serves",
};
