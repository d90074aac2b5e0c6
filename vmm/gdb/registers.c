/*
 * The table of registers: how each is described, read and written.
 */
#include "vmm/gdb/registers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define EFLAGS_FIXED 0x2UL
#define EFLAGS_IF    0x200UL
#define EFLAGS_IOPL  0x3000UL
/* That a debugger may set: arithmetic flags, TF, DF, NT, RF, AC, ID. */
#define EFLAGS_MAY 0x254dd5UL

/* Offsets in the XSAVE area (SDM vol. 1, 13.4). */
#define XS_FCW	  0
#define XS_FSW	  2
#define XS_FTW	  4
#define XS_FOP	  6
#define XS_FIP	  8
#define XS_FDP	  16
#define XS_MXCSR  24
#define XS_ST	  32
#define XS_XMM	  160
#define XS_BV	  512 /* which parts are not as after a reset */
#define XS_YMMH	  576
#define BV_X87	  1
#define BV_SSE	  2
#define BV_AVX	  4
#define FPU_BYTES 512 /* of FXSAVE */

struct reg_row;
typedef bool (*reg_get_fn)(struct register_view *r, const struct reg_row *row, uint8_t *buf);
typedef bool (*reg_set_fn)(struct register_view *r, const struct reg_row *row, const uint8_t *buf);

struct reg_row {
	const char *feature; /* begins with this register; NULL: the one before goes on */
	const char *name;    /* with a %u: `times` of them, from 0 */
	const char *type;
	unsigned times, bits;
	reg_get_fn get;
	reg_set_fn set;	 /* NULL: cannot be changed */
	unsigned offset; /* in cpu_user_regs, in the XSAVE area, or whatever get wants */
	unsigned part;	 /* BV_* */
};

/* ---- general registers ---- */

static uint8_t *user_reg(struct register_view *r, const struct reg_row *row)
{
	return (uint8_t *)&r->v->regs + row->offset;
}

static bool get_gpr(struct register_view *r, const struct reg_row *row, uint8_t *buf)
{
	memcpy(buf, user_reg(r, row), 8);
	return true;
}

static bool set_gpr(struct register_view *r, const struct reg_row *row, const uint8_t *buf)
{
	memcpy(user_reg(r, row), buf, 8);
	return true;
}

/* Whether events are masked is what a PV guest has for IF. */
static bool get_flags(struct register_view *r, const struct reg_row *row, uint8_t *buf)
{
	uint32_t f = (uint32_t)(r->v->regs.rflags & ~EFLAGS_IF) | EFLAGS_FIXED;

	if (!vcpu_info_get(r->v)->evtchn_upcall_mask)
		f |= EFLAGS_IF;
	memcpy(buf, &f, 4);
	return true;
}

static bool set_flags(struct register_view *r, const struct reg_row *row, const uint8_t *buf)
{
	uint32_t f;

	memcpy(&f, buf, 4);
	r->v->regs.rflags = (r->v->regs.rflags & ~EFLAGS_MAY) | (f & EFLAGS_MAY);
	return true;
}

static bool get_selector(struct register_view *r, const struct reg_row *row, uint8_t *buf)
{
	memset(buf, 0, 4);
	memcpy(buf, user_reg(r, row), 2);
	return true;
}

/* ---- what the guest asked Xen for ---- */

enum { OWN_FS_BASE, OWN_GS_BASE, OWN_OTHER_GS, OWN_CR2, OWN_CR3, OWN_KERNEL, OWN_MASK };

static uint64_t *gs_base(struct vcpu *v, bool kernel)
{
	return kernel ? &v->gs_base_kernel : &v->gs_base_user;
}

static uint64_t *base_of(struct register_view *r, const struct reg_row *row)
{
	struct vcpu *v = r->v;

	if (row->offset == OWN_FS_BASE)
		return &v->fs_base;
	return gs_base(v, v->kernel_mode == (row->offset == OWN_GS_BASE));
}

static bool get_base(struct register_view *r, const struct reg_row *row, uint8_t *buf)
{
	memcpy(buf, base_of(r, row), 8);
	return true;
}

/* The processor faults on one that is not canonical. */
static bool set_base(struct register_view *r, const struct reg_row *row, const uint8_t *buf)
{
	uint64_t val;

	memcpy(&val, buf, 8);
	if ((uint64_t)((int64_t)(val << 16) >> 16) != val)
		return false;
	*base_of(r, row) = val;
	return true;
}

static bool get_own(struct register_view *r, const struct reg_row *row, uint8_t *buf)
{
	const struct vcpu *v = r->v;
	const struct vcpu_info *info = vcpu_info_get(v);
	const uint64_t val[] = {
		[OWN_CR2] = info->arch.cr2,
		[OWN_CR3] = vcpu_l4(v) << PAGE_SHIFT,
		[OWN_KERNEL] = v->kernel_mode,
		[OWN_MASK] = info->evtchn_upcall_mask,
	};

	memcpy(buf, &val[row->offset], row->bits / 8);
	return true;
}

/* ---- x87, SSE, AVX ---- */

static bool read_xsave(struct register_view *r)
{
	const struct cpu *c = vcpu_cpu(r->v);

	if (r->have_xsave)
		return true;
	if (r->v->fpu_valid) {
		/* Its first context is still to be loaded. */
		memset(r->xsave, 0, sizeof(r->xsave));
		memcpy(r->xsave, r->v->fpu_ctxt, FPU_BYTES);
		r->xsave[XS_BV] = BV_X87 | BV_SSE;
	} else if (!c || ioctl(c->fd, KVM_GET_XSAVE, r->xsave)) {
		return false;
	}
	r->have_xsave = true;
	return true;
}

/* A part that is as after a reset need not be in the area. */
static bool part_is_reset(const struct register_view *r, const struct reg_row *row)
{
	return !(r->xsave[XS_BV] & row->part);
}

static bool get_vector(struct register_view *r, const struct reg_row *row, uint8_t *buf)
{
	static const uint16_t fcw = 0x37f;

	if (!read_xsave(r))
		return false;
	if (!part_is_reset(r, row) || row->offset == XS_MXCSR)
		memcpy(buf, r->xsave + row->offset, row->bits / 8);
	else
		memset(buf, 0, row->bits / 8);
	if (part_is_reset(r, row) && row->offset == XS_FCW)
		memcpy(buf, &fcw, 2);
	return true;
}

static void fill_part(struct register_view *r, const struct reg_row *row)
{
	static const uint16_t fcw = 0x37f;

	if (!part_is_reset(r, row))
		return;
	if (row->part == BV_X87) {
		memset(r->xsave, 0, XS_MXCSR);
		memcpy(r->xsave + XS_FCW, &fcw, 2);
		memset(r->xsave + XS_ST, 0, XS_XMM - XS_ST);
	} else {
		unsigned from = row->part == BV_SSE ? XS_XMM : XS_YMMH;
		memset(r->xsave + from, 0, 16 * 16);
	}
	r->xsave[XS_BV] |= (uint8_t)row->part;
}

static bool set_vector(struct register_view *r, const struct reg_row *row, const uint8_t *buf)
{
	if (!read_xsave(r))
		return false;
	fill_part(r, row);
	memcpy(r->xsave + row->offset, buf, row->bits / 8);
	if (row->offset == XS_MXCSR)
		memset(r->xsave + XS_MXCSR + 2, 0, 2); /* the reserved bits fault */
	r->xsave_dirty = true;
	return true;
}

/* The x87 environment: 32 bits for gdb, less in the area. */
#define ENV_OFFSET(bytes, offset) ((bytes) << 16 | (offset))

static bool get_env(struct register_view *r, const struct reg_row *row, uint8_t *buf)
{
	unsigned bytes = row->offset >> 16;
	struct reg_row part = *row;

	part.offset &= 0xffff;
	part.bits = bytes * 8;
	memset(buf, 0, 4);
	return get_vector(r, &part, buf);
}

static bool set_env(struct register_view *r, const struct reg_row *row, const uint8_t *buf)
{
	struct reg_row part = *row;

	part.offset &= 0xffff;
	part.bits = (row->offset >> 16) * 8;
	return set_vector(r, &part, buf);
}

/* gdb's tag word has two bits a register; FXSAVE's one: is it empty? */
static bool get_tags(struct register_view *r, const struct reg_row *row, uint8_t *buf)
{
	uint8_t in_use = 0;
	uint16_t tags = 0;
	struct reg_row part = *row;

	part.bits = 8;
	part.offset = XS_FTW;
	if (!get_vector(r, &part, &in_use))
		return false;
	for (unsigned i = 0; i < 8; i++)
		tags |= (uint16_t)((in_use >> i & 1 ? 0 : 3) << 2 * i);
	memset(buf, 0, 4);
	memcpy(buf, &tags, 2);
	return true;
}

static bool set_tags(struct register_view *r, const struct reg_row *row, const uint8_t *buf)
{
	uint8_t in_use = 0;
	uint16_t tags;
	struct reg_row part = *row;

	memcpy(&tags, buf, 2);
	for (unsigned i = 0; i < 8; i++)
		if ((tags >> 2 * i & 3) != 3)
			in_use |= (uint8_t)(1 << i);
	part.bits = 8;
	part.offset = XS_FTW;
	return set_vector(r, &part, &in_use);
}

/* ---- the table ---- */

#define GPR(reg, type)                                                                            \
	{                                                                                         \
		NULL, #reg, type, 1, 64, get_gpr, set_gpr, offsetof(struct cpu_user_regs, reg), 0 \
	}
#define SELECTOR(reg)                                           \
	{                                                       \
		NULL, #reg, "int32", 1, 32, get_selector, NULL, \
			offsetof(struct cpu_user_regs, reg), 0  \
	}
#define ENV(name, bytes, offset)                                                              \
	{                                                                                     \
		NULL, name, "int", 1, 32, get_env, set_env, ENV_OFFSET(bytes, offset), BV_X87 \
	}

#define CORE "org.gnu.gdb.i386.core"
#define SSE  "org.gnu.gdb.i386.sse"
#define SEGS "org.gnu.gdb.i386.segments"
#define AVX  "org.gnu.gdb.i386.avx"
#define OWN  "org.xenolith.pv"

static const struct reg_row rows[] = {
	{CORE, "rax", "int64", 1, 64, get_gpr, set_gpr, offsetof(struct cpu_user_regs, rax), 0},
	GPR(rbx, "int64"),
	GPR(rcx, "int64"),
	GPR(rdx, "int64"),
	GPR(rsi, "int64"),
	GPR(rdi, "int64"),
	GPR(rbp, "data_ptr"),
	GPR(rsp, "data_ptr"),
	GPR(r8, "int64"),
	GPR(r9, "int64"),
	GPR(r10, "int64"),
	GPR(r11, "int64"),
	GPR(r12, "int64"),
	GPR(r13, "int64"),
	GPR(r14, "int64"),
	GPR(r15, "int64"),
	GPR(rip, "code_ptr"),
	{NULL, "eflags", "i386_eflags", 1, 32, get_flags, set_flags, 0, 0},
	SELECTOR(cs),
	SELECTOR(ss),
	SELECTOR(ds),
	SELECTOR(es),
	SELECTOR(fs),
	SELECTOR(gs),
	{NULL, "st%u", "i387_ext", 8, 80, get_vector, set_vector, XS_ST, BV_X87},
	ENV("fctrl", 2, XS_FCW),
	ENV("fstat", 2, XS_FSW),
	{NULL, "ftag", "int", 1, 32, get_tags, set_tags, 0, BV_X87},
	ENV("fiseg", 2, XS_FIP + 4),
	ENV("fioff", 4, XS_FIP),
	ENV("foseg", 2, XS_FDP + 4),
	ENV("fooff", 4, XS_FDP),
	ENV("fop", 2, XS_FOP),
	{SSE, "xmm%u", "vec128", 16, 128, get_vector, set_vector, XS_XMM, BV_SSE},
	{NULL, "mxcsr", "i386_mxcsr", 1, 32, get_vector, set_vector, XS_MXCSR, BV_SSE},
	{SEGS, "fs_base", "int", 1, 64, get_base, set_base, OWN_FS_BASE, 0},
	{NULL, "gs_base", "int", 1, 64, get_base, set_base, OWN_GS_BASE, 0},
	/* With the GS base of the mode that it is not in, as MSR_KERNEL_GS_BASE. */
	{OWN, "k_gs_base", "int", 1, 64, get_base, set_base, OWN_OTHER_GS, 0},
	{NULL, "cr2", "int", 1, 64, get_own, NULL, OWN_CR2, 0},
	{NULL, "cr3", "int", 1, 64, get_own, NULL, OWN_CR3, 0},
	{NULL, "kernel_mode", "int", 1, 32, get_own, NULL, OWN_KERNEL, 0},
	{NULL, "upcall_mask", "int", 1, 32, get_own, NULL, OWN_MASK, 0},
	/* Last: not all hosts have it. */
	{AVX, "ymm%uh", "uint128", 16, 128, get_vector, set_vector, XS_YMMH, BV_AVX},
};

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

static unsigned nr_rows(bool avx)
{
	return avx ? NR_ROWS : NR_ROWS - 1;
}

unsigned registers_count(bool avx)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nr_rows(avx); i++)
		n += rows[i].times;
	return n;
}

/* One of a row's registers lies behind the other, on 16 bytes each. */
static bool find(unsigned n, bool avx, struct reg_row *row)
{
	for (unsigned i = 0; i < nr_rows(avx); i++) {
		if (n < rows[i].times) {
			*row = rows[i];
			row->offset += 16 * n;
			return true;
		}
		n -= rows[i].times;
	}
	return false;
}

unsigned register_size(unsigned n, bool avx)
{
	struct reg_row row;

	return find(n, avx, &row) ? row.bits / 8 : 0;
}

void registers_look(struct register_view *r, struct vcpu *v, bool avx)
{
	r->v = v;
	r->avx = avx;
	r->have_xsave = r->xsave_dirty = false;
}

int registers_done(struct register_view *r)
{
	const struct cpu *c = vcpu_cpu(r->v);

	if (!r->xsave_dirty)
		return 0;
	r->xsave_dirty = false;
	if (r->v->fpu_valid) {
		memcpy(r->v->fpu_ctxt, r->xsave, FPU_BYTES);
		return 0;
	}
	return ioctl(c->fd, KVM_SET_XSAVE, r->xsave) ? -errno : 0;
}

bool register_get(struct register_view *r, unsigned n, uint8_t *buf)
{
	struct reg_row row;

	return find(n, r->avx, &row) && row.get(r, &row, buf);
}

bool register_set(struct register_view *r, unsigned n, const uint8_t *buf)
{
	struct reg_row row;

	return find(n, r->avx, &row) && row.set && row.set(r, &row, buf);
}

/* ---- the description ---- */

static const char vec128[] = "  <vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n"
			     "  <vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n"
			     "  <vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n"
			     "  <vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n"
			     "  <vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n"
			     "  <vector id=\"v2i64\" type=\"int64\" count=\"2\"/>\n"
			     "  <union id=\"vec128\">\n"
			     "    <field name=\"v4_float\" type=\"v4f\"/>\n"
			     "    <field name=\"v2_double\" type=\"v2d\"/>\n"
			     "    <field name=\"v16_int8\" type=\"v16i8\"/>\n"
			     "    <field name=\"v8_int16\" type=\"v8i16\"/>\n"
			     "    <field name=\"v4_int32\" type=\"v4i32\"/>\n"
			     "    <field name=\"v2_int64\" type=\"v2i64\"/>\n"
			     "    <field name=\"uint128\" type=\"uint128\"/>\n"
			     "  </union>\n";

struct flag_bit {
	const char *name; /* "": always set */
	unsigned bit;
};

static const struct flag_bit eflags_bits[] = {
	{"CF", 0},  {"", 1},	{"PF", 2},   {"AF", 4},	  {"ZF", 6},  {"SF", 7},
	{"TF", 8},  {"IF", 9},	{"DF", 10},  {"OF", 11},  {"NT", 14}, {"RF", 16},
	{"VM", 17}, {"AC", 18}, {"VIF", 19}, {"VIP", 20}, {"ID", 21}, {NULL, 0},
};

static const struct flag_bit mxcsr_bits[] = {
	{"IE", 0}, {"DE", 1}, {"ZE", 2},  {"OE", 3},  {"UE", 4},  {"PE", 5},  {"DAZ", 6}, {"IM", 7},
	{"DM", 8}, {"ZM", 9}, {"OM", 10}, {"UM", 11}, {"PM", 12}, {"FZ", 15}, {NULL, 0},
};

static void print_flags(FILE *f, const char *id, const struct flag_bit *b)
{
	fprintf(f, "  <flags id=\"%s\" size=\"4\">\n", id);
	for (; b->name; b++)
		fprintf(f, "    <field name=\"%s\" start=\"%u\" end=\"%u\"/>\n", b->name, b->bit,
			b->bit);
	fputs("  </flags>\n", f);
}

static void print_types(FILE *f, const char *feature)
{
	if (!strcmp(feature, CORE))
		print_flags(f, "i386_eflags", eflags_bits);
	if (strcmp(feature, SSE))
		return;
	fputs(vec128, f);
	print_flags(f, "i386_mxcsr", mxcsr_bits);
}

static void print_row(FILE *f, const struct reg_row *row)
{
	char name[16];

	for (unsigned i = 0; i < row->times; i++) {
		/* The format is one of the table above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(name, sizeof(name), row->name, i);
#pragma GCC diagnostic pop
		fprintf(f, "  <reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>\n", name, row->bits,
			row->type);
	}
}

char *registers_xml(bool avx)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
	      "<target version=\"1.0\">\n<architecture>i386:x86-64</architecture>\n",
	      f);
	for (unsigned i = 0; i < nr_rows(avx); i++) {
		if (rows[i].feature) {
			fprintf(f, "%s<feature name=\"%s\">\n", i ? "</feature>\n" : "",
				rows[i].feature);
			print_types(f, rows[i].feature);
		}
		print_row(f, &rows[i]);
	}
	fputs("</feature>\n</target>\n", f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
