/*
 * Fuzzes kernel_image_parse(). Two ways:
 *
 * - as it is, a program of its own: `loader_fuzz [SECONDS [SEED]]` damages kernels
 *   of every kind in every format and loads them; what kills it is left in
 *   loader_fuzz.crash. `loader_fuzz FILE...` loads files, to repeat that.
 * - with clang -fsanitize=fuzzer -DLIBFUZZER: libFuzzer does it, by coverage.
 *   `loader_fuzz --seeds DIR` of the first way writes kernels to start from.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pvabi/xen_abi.h"
#include "test/unit/loader_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kernel_image img;
	struct error err;
	int rc = kernel_image_parse(&img, data, len, "k", &err);

	if (!rc)
		fixture_check_image(&img);
	else if (rc != -ENOEXEC || strncmp(err.text, "k: ", 3))
		abort();
	kernel_image_free(&img);
	return 0;
}

#ifndef LIBFUZZER

#define INPUT_MAX (1ul << 20)
#define NR_SEEDS  30

/* The input at work, where it outlives the process that loads it. */
struct input {
	size_t len;
	unsigned long rounds;
	uint8_t data[INPUT_MAX];
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* 0 to 5: ELF files that say things in different ways; then bzImages around
 * them in each format and packed files. */
static struct fixture_bytes make_seed(unsigned i)
{
	struct fixture_elf e;
	struct fixture_bytes elf, packed, bz;

	fixture_linux(&e, 200 + 300 * (i % 3));
	if (i % 6 == 1 || i % 6 == 5)
		e.no_pt_note = e.with_sht_note = true;
	if (i % 6 == 2) {
		e.no_pt_note = true;
		e.guest_section = "LOADER=generic,GUEST_OS=x,XEN_VER=xen-3.0,VIRT_BASE=0x1000,"
				  "FEATURES=!writable_page_tables|dom0,PAE=yes,BSD_SYMTAB,"
				  "HYPERCALL_PAGE=2,ELF_PADDR_OFFSET=0x10,VIRT_ENTRY=0x1001000";
	}
	if (i % 6 == 3) {
		e.with_symtab = true;
		fixture_note_string(&e, XEN_ELFNOTE_BSD_SYMTAB, "yes");
	}
	e.is32 = i % 6 == 5;
	elf = fixture_elf_build(&e);
	if (i < 6)
		return elf;
	packed = fixture_pack(fixture_formats[i % 7], elf.data, elf.len, i & 1);
	free(elf.data);
	if (i % 3 == 0)
		return packed;
	bz = fixture_bzimage(packed.data, packed.len, 0x208);
	free(packed.data);
	return bz;
}

static void damage(struct input *in, uint64_t *rng)
{
	static const uint64_t words[] = {
		0,	    1,		0x7f,		0xff,	    0x1000,
		0xffff,	    0x7fffffff, 0x80000000,	0xfffffff0, 0xffffffff,
		1ull << 44, 1ull << 47, UINT64_MAX - 7, UINT64_MAX};
	uint64_t r = next_random(rng);
	size_t at = in->len > 8 ? r % (in->len - 8) : 0;
	size_t from = in->len > 8 ? next_random(rng) % (in->len - 8) : 0;

	if (in->len < 16)
		return;
	if (r >> 32 & 1)
		at %= 0x400 < in->len - 8 ? 0x400 : in->len - 8; /* headers */
	switch (r >> 40 & 7) {
	case 0:
		memcpy(in->data + at, &words[(r >> 48) % 14], 8);
		break;
	case 1:
		memcpy(in->data + at, &words[(r >> 48) % 14], 4);
		break;
	case 2:
		memcpy(in->data + at, &words[(r >> 48) % 14], 2);
		break;
	case 3: /* a part of itself elsewhere */
		memmove(in->data + at, in->data + from,
			(r >> 48 & 63) < in->len - (at > from ? at : from) ? r >> 48 & 63 : 8);
		break;
	case 4:
		if (r >> 60 == 0)
			in->len = at + 8; /* cut */
		break;
	case 5:
		in->data[at] += (uint8_t)(r >> 48);
		break;
	default:
		in->data[at] ^= 1 << (r >> 48 & 7);
	}
}

static void run_rounds(struct input *in, unsigned seconds, uint64_t rng)
{
	time_t end = time(NULL) + seconds;
	struct fixture_bytes seeds[NR_SEEDS];

	for (unsigned i = 0; i < NR_SEEDS; i++)
		seeds[i] = make_seed(i);
	while (time(NULL) < end) {
		const struct fixture_bytes *s = &seeds[next_random(&rng) % NR_SEEDS];
		unsigned wounds = 1 + next_random(&rng) % 8;

		memcpy(in->data, s->data, s->len);
		in->len = s->len;
		while (wounds--)
			damage(in, &rng);
		LLVMFuzzerTestOneInput(in->data, in->len);
		in->rounds++;
	}
	for (unsigned i = 0; i < NR_SEEDS; i++)
		free(seeds[i].data);
}

static int write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");
	bool ok = f && fwrite(data, 1, len, f) == len;

	if (!f || fclose(f) || !ok) {
		perror(path);
		return 1;
	}
	return 0;
}

static int fuzz(unsigned seconds, uint64_t seed)
{
	struct input *in =
		mmap(NULL, sizeof(*in), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t child;

	if (in == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	child = fork();
	if (child < 0) {
		perror("fork");
		return 1;
	}
	if (child == 0) {
		run_rounds(in, seconds, seed);
		exit(0);
	}
	waitpid(child, &status, 0);
	printf("loader_fuzz: %lu inputs, seed %llu: %s\n", in->rounds, (unsigned long long)seed,
	       status ? "died, see loader_fuzz.crash" : "ok");
	if (status)
		write_file("loader_fuzz.crash", in->data, in->len);
	munmap(in, sizeof(*in));
	return status != 0;
}

static int write_seeds(const char *dir)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < NR_SEEDS; i++) {
		struct fixture_bytes b = make_seed(i);
		char path[4096];

		snprintf(path, sizeof(path), "%s/seed-%02u", dir, i);
		rc = write_file(path, b.data, b.len);
		free(b.data);
	}
	return rc;
}

static int load_file(const char *path)
{
	struct kernel_image img;
	struct error err;

	if (kernel_image_load(&img, path, &err)) {
		printf("%s\n", err.text);
		return 0;
	}
	fixture_check_image(&img);
	printf("%s: loads\n", path);
	kernel_image_free(&img);
	return 0;
}

int main(int argc, char **argv)
{
	char *end = NULL;
	unsigned long seconds = argc > 1 ? strtoul(argv[1], &end, 0) : 10;

	if (argc == 3 && !strcmp(argv[1], "--seeds"))
		return write_seeds(argv[2]);
	if (argc <= 3 && (!end || !*end))
		return fuzz((unsigned)seconds, argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : 1);
	for (int i = 1; i < argc; i++)
		load_file(argv[i]);
	return 0;
}

#endif
