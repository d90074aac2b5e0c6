/*
 * Kernels out of disk images, which are made here with mke2fs, mkfs.vfat and sfdisk: no
 * root, no loop devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/test_run.h"
#include "vmm/boot/bootloader.h"
#include "vmm/boot/file_system.h"

static char dir[] = "/tmp/boot_image_testXXXXXX";
static struct boot_found found;
static struct error err;

/* In the folder of the test; errors of the tools are errors of the test. */
static void __attribute__((format(printf, 1, 2))) sh(const char *fmt, ...)
{
	char line[2000], command[2400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command),
		 "cd %s; export PATH=$PATH:/usr/sbin:/sbin MTOOLS_SKIP_CHECK=1; set -e; { %s\n} "
		 ">log 2>&1",
		 dir, line);
	ck_assert_msg(!system(command), "%s; see %s/log", line, dir);
}

/* A guest's files: what any system has in /boot. */
static void make_files(void)
{
	sh("rm -rf root disk; mkdir -p root/boot/grub root/grub");
	sh("head -c 300000 /dev/urandom >root/boot/vmlinuz-6.1.0-1-amd64");
	sh("head -c 100001 /dev/urandom >root/boot/initrd.img-6.1.0-1-amd64");
	sh("echo microcode >root/boot/early.img");
	sh("ln -s boot/vmlinuz-6.1.0-1-amd64 root/vmlinuz");
	sh("ln -s /boot/initrd.img-6.1.0-1-amd64 root/initrd.img");
	sh("printf '%%s\\n' 'menuentry \"Linux\" {' 'linux /boot/vmlinuz-6.1.0-1-amd64 ro' "
	   "'initrd /boot/initrd.img-6.1.0-1-amd64' '}' >root/boot/grub/grub.cfg");
}

static void setup(void)
{
	found = (struct boot_found){0};
	err.text[0] = 0;
	make_files();
}

static void teardown(void)
{
	boot_found_free(&found);
}

static void make_dir(void)
{
	strcpy(strrchr(dir, '/'), "/boot_image_testXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert(!system(command));
}

static int look_with(const char *fields, const struct boot_wish *w)
{
	char spec[200];

	boot_found_free(&found);
	snprintf(spec, sizeof(spec), "%s/disk,%s", dir, fields);
	return bootloader_run(&found, spec, w, &err);
}

static int look(void)
{
	const struct boot_wish none = {.entry = NULL};

	return look_with("raw,xvda,w", &none);
}

static void same_as_file(const void *data, size_t size, const char *name)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/root/boot/%s", dir, name);
	int fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert(!fstat(fd, &st));
	ck_assert_uint_eq(size, (size_t)st.st_size);
	char *file = malloc(size);
	ck_assert_int_eq(read(fd, file, size), (ssize_t)size);
	ck_assert(!memcmp(file, data, size));
	free(file);
	close(fd);
}

static void is_found(void)
{
	ck_assert_str_eq(found.kernel_name, "/boot/vmlinuz-6.1.0-1-amd64");
	ck_assert_str_eq(found.ramdisk_name, "/boot/initrd.img-6.1.0-1-amd64");
	same_as_file(found.kernel, found.kernel_size, "vmlinuz-6.1.0-1-amd64");
	same_as_file(found.ramdisk, found.ramdisk_size, "initrd.img-6.1.0-1-amd64");
	ck_assert_str_eq(found.cmdline, "ro");
	ck_assert_str_eq(found.title, "Linux");
}

START_TEST(whole_disks)
{
	static const char *const makers[] = {
		"mke2fs -q -t ext2 -d root disk 12M",
		"mke2fs -q -t ext2 -b 1024 -d root disk 12M",
		"mke2fs -q -t ext3 -d root disk 20M",
		"mke2fs -q -t ext4 -d root disk 20M",
		"mke2fs -q -t ext4 -b 1024 -O ^64bit,^metadata_csum,inline_data -d root disk 20M",
		"mke2fs -q -t ext4 -O bigalloc,metadata_csum,casefold,encrypt,project,quota -d "
		"root "
		"disk 20M",
		/* Not unmounted: the journal is to be played back, which nobody does here. */
		"mke2fs -q -t ext4 -d root disk 20M; debugfs -w -R 'feature needs_recovery' disk",
		"rm root/vmlinuz root/initrd.img; mkfs.vfat -F 12 -C disk 4096; mcopy -s -i disk "
		"root/* ::",
		"rm root/vmlinuz root/initrd.img; mkfs.vfat -F 16 -C disk 20480; mcopy -s -i disk "
		"root/* ::",
		"rm root/vmlinuz root/initrd.img; mkfs.vfat -F 32 -s 1 -C disk 40960; mcopy -s -i "
		"disk root/* ::",
		"rm root/vmlinuz root/initrd.img; mkfs.vfat -F 32 -S 4096 -s 1 -C disk 300000; "
		"mcopy "
		"-s -i disk root/* ::",
	};

	for (unsigned i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		make_files();
		sh("%s", makers[i]);
		ck_assert_msg(!look(), "%s: %s", makers[i], err.text);
		is_found();
	}
}
END_TEST

/* In the partition that begins at `sector`. */
static void make_partition(const char *table, unsigned sector)
{
	sh("truncate -s 40M disk; printf '%s' | sfdisk -q disk; mke2fs -q -t ext4 -E offset=%u -d "
	   "root disk 12M",
	   table, sector * 512);
}

START_TEST(partitions)
{
	static const struct {
		const char *table;
		unsigned sector;
	} cases[] = {
		{"label: dos\\n2048,,L\\n", 2048},
		{"label: dos\\n2048,2048,L\\n4096,,L,*\\n", 4096},
		{"label: dos\\n2048,4096,82\\n,8192,L\\n14336,,L\\n", 14336},
		/* Logical ones: the first and the third. */
		{"label: dos\\n2048,2048,L\\n4096,,E\\n6144,32768,L\\n", 6144},
		{"label: dos\\n2048,,E\\n4096,2048,L\\n8192,2048,L\\n12288,32768,L\\n", 12288},
		{"label: gpt\\n2048,2048,U\\n4096,32768,L\\n", 4096},
		{"label: gpt\\n2048,1000,21686148-6449-6E6F-744E-656564454649\\n4096,32768,L\\n",
		 4096},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_files();
		make_partition(cases[i].table, cases[i].sector);
		ck_assert_msg(!look(), "%s: %s", cases[i].table, err.text);
		is_found();
	}
}
END_TEST

/* pygrub: the active partition first, then in their order. */
START_TEST(which_partition)
{
	make_partition("label: dos\\n2048,30000,L\\n36864,,L,*\\n", 2048);
	ck_assert_msg(!look(), "%s", err.text);
	sh("echo other >root/boot/vmlinuz-6.1.0-1-amd64; mke2fs -q -F -t ext4 -E "
	   "offset=$((36864*512)) -d root disk 12M");
	ck_assert_msg(!look(), "%s", err.text);
	ck_assert_uint_eq(found.kernel_size, 6);
	sh("sfdisk -q -A disk 1");
	ck_assert_msg(!look(), "%s", err.text);
	ck_assert_uint_eq(found.kernel_size, 300000);
	const struct boot_wish at = {.has_offset = true, .offset = 36864 * 512};
	ck_assert_int_eq(look_with("raw,xvda,w", &at), 0);
	ck_assert_uint_eq(found.kernel_size, 6);
}
END_TEST

START_TEST(other_formats)
{
	const struct boot_wish none = {.entry = NULL};

	sh("mke2fs -q -t ext4 -d root raw 20M; qemu-img convert -O qcow2 raw disk");
	ck_assert_msg(!look_with("qcow2,xvda,w", &none), "%s", err.text);
	is_found();
	ck_assert(look());
	ck_assert_msg(strstr(err.text, "qcow2"), "%s", err.text);
}
END_TEST

/* Longer than a FAT name has room for, in a folder of many files. */
START_TEST(long_names)
{
	sh("rm root/vmlinuz root/initrd.img; mkfs.vfat -F 16 -C disk 20480; mmd -i disk ::boot "
	   "::boot/grub; for i in $(seq 300); do echo $i >\"a rather long name, number $i.txt\"; "
	   "done; mcopy -i disk a*.txt ::boot; mdel -i disk '::boot/a rather long name, number "
	   "7.txt'");
	sh("mcopy -i disk root/boot/vmlinuz* root/boot/initrd* ::boot; mcopy -i disk "
	   "root/boot/grub/grub.cfg ::boot/grub/GRUB.CFG; rm a*.txt");
	ck_assert_msg(!look(), "%s", err.text);
	is_found();
}
END_TEST

/* Fedora's: entries are files of a folder. */
START_TEST(entries_in_a_folder)
{
	static const char *const makers[] = {
		"mke2fs -q -t ext4 -d root disk 20M",
		"rm root/vmlinuz root/initrd.img; mkfs.vfat -F 16 -C disk 20480; mcopy -s -i disk "
		"root/* ::",
	};

	for (unsigned i = 0; i < 2; i++) {
		make_files();
		sh("mkdir -p root/loader/entries; echo blscfg >root/boot/grub/grub.cfg; for v in "
		   "6.9 6.10 "
		   "5.20; do printf '%%s\\n' 'title Linux' \"linux /boot/vmlinuz-6.1.0-1-amd64\" "
		   "'initrd "
		   "/boot/initrd.img-6.1.0-1-amd64' \"options v=$v\" "
		   ">root/loader/entries/0123456789abcdef-$v.conf; done");
		sh("%s", makers[i]);
		ck_assert_msg(!look(), "%s: %s", makers[i], err.text);
		ck_assert_str_eq(found.cmdline, "v=6.10");
		same_as_file(found.ramdisk, found.ramdisk_size, "initrd.img-6.1.0-1-amd64");
	}
}
END_TEST

START_TEST(links_and_several_ramdisks)
{
	sh("printf '%%s\\n' 'menuentry a {' 'linux /vmlinuz a=b' 'initrd /boot/early.img "
	   "/initrd.img' "
	   "'}' >root/boot/grub/grub.cfg; mke2fs -q -t ext4 -d root disk 20M");
	ck_assert_msg(!look(), "%s", err.text);
	same_as_file(found.kernel, found.kernel_size, "vmlinuz-6.1.0-1-amd64");
	/* "microcode\n" is ten bytes; the next begins at a multiple of four. */
	ck_assert_mem_eq(found.ramdisk, "microcode\n\0\0", 12);
	same_as_file((char *)found.ramdisk + 12, found.ramdisk_size - 12,
		     "initrd.img-6.1.0-1-amd64");
}
END_TEST

START_TEST(what_pygrubs_options_do)
{
	struct boot_wish w = {.args = "from=config"};
	char *const args[] = {"--entry=1", "-q", "--debug", "--output-format", "simple", NULL};
	char *const kernel[] = {"--kernel=/boot/vmlinuz-6.1.0-1-amd64", "--args", "x=y", NULL};
	char *const bad[][3] = {{"--entri=1", NULL},
				{"--offset=x", NULL},
				{"--offset", NULL},
				{"--quiet=1", NULL},
				{"/dev/xvda", NULL}};

	sh("printf 'menuentry two {\\nlinux /vmlinuz two\\n}\\n' >>root/boot/grub/grub.cfg; mke2fs "
	   "-q "
	   "-t ext4 -d root disk 20M");
	ck_assert_int_eq(look_with("raw,xvda,w", &w), 0);
	ck_assert_str_eq(found.cmdline, "ro from=config");
	ck_assert_int_eq(boot_wish_read(&w, args, &err), 0);
	ck_assert_int_eq(look_with("raw,xvda,w", &w), 0);
	ck_assert_str_eq(found.cmdline, "two from=config");
	ck_assert_ptr_null(found.ramdisk);
	w = (struct boot_wish){.args = "from=config"};
	ck_assert_int_eq(boot_wish_read(&w, kernel, &err), 0);
	ck_assert_int_eq(look_with("raw,xvda,w", &w), 0);
	ck_assert_str_eq(found.cmdline, "x=y");
	ck_assert_uint_eq(found.kernel_size, 300000);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(boot_wish_read(&w, bad[i], &err) == -EINVAL, "%s", bad[i][0]);
	w = (struct boot_wish){.entry = "9"};
	ck_assert_int_ne(look_with("raw,xvda,w", &w), 0);
	ck_assert_msg(strstr(err.text, "no entry '9'"), "%s", err.text);
	w = (struct boot_wish){.has_offset = true, .offset = 1ull << 40};
	ck_assert_int_ne(look_with("raw,xvda,w", &w), 0);
}
END_TEST

START_TEST(sentences)
{
	static const struct {
		const char *make, *says;
	} cases[] = {
		{"truncate -s 1M disk", "there is no file system that can be read"},
		{"mke2fs -q -t ext4 disk 20M", "no boot loader's configuration was found"},
		{"rm root/boot/vml*; mke2fs -q -t ext4 -d root disk 20M",
		 "the kernel '/boot/vmlinuz-6.1.0-1-amd64' is not there"},
		{"rm root/boot/init*; mke2fs -q -t ext4 -d root disk 20M",
		 "the ramdisk '/boot/initrd.img-6.1.0-1-amd64' is not there"},
		{"truncate -s 300M root/boot/vml*; mke2fs -q -t ext4 -d root disk 20M",
		 "the kernel '/boot/vmlinuz-6.1.0-1-amd64' is too big"},
		{"rm root/boot/vml*; mkdir root/boot/vmlinuz-6.1.0-1-amd64; mke2fs -q -t ext4 -d "
		 "root "
		 "disk 20M",
		 "is a folder"},
		{"rm root/boot/vml*; ln -s vmlinuz-6.1.0-1-amd64 root/boot/vmlinuz-6.1.0-1-amd64; "
		 "mke2fs -q -t ext4 -d root disk 20M",
		 "the kernel '/boot/vmlinuz-6.1.0-1-amd64' "},
		{"printf 'menuentry a {\\nlinux \\033[2J/k\\303\\n}' "
		 ">root/boot/grub/grub.cfg; mke2fs -q -t "
		 "ext4 -d root disk 20M",
		 "the kernel '?[2J/k?' is not there"},
		{"truncate -s 2M root/boot/grub/grub.cfg; mke2fs -q -t ext4 -d root disk 20M",
		 "/boot/grub/grub.cfg is too big"},
		{"echo blscfg >root/boot/grub/grub.cfg; mke2fs -q -t ext4 -d root disk 20M",
		 "has no entry that boots Linux"},
		{"truncate -s 1M disk; printf XFSB | dd of=disk conv=notrunc",
		 "on xfs cannot be read"},
		{"truncate -s 1M disk; printf LABELONE | dd of=disk bs=1 seek=512 conv=notrunc",
		 "on LVM cannot be read"},
		{"truncate -s 9M disk; printf 'label: dos\\n2048,2048,L\\n4096,,L\\n' | sfdisk -q "
		 "disk; "
		 "printf _BHRfS_M | dd of=disk bs=1 seek=$((4096*512+65600)) conv=notrunc; printf "
		 "LUKS"
		 "'\\272\\276' | dd of=disk bs=1 seek=$((2048*512)) conv=notrunc",
		 "on LUKS, btrfs cannot be read"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_files();
		sh("%s", cases[i].make);
		ck_assert_msg(look(), "%s", cases[i].make);
		ck_assert_msg(strstr(err.text, cases[i].says), "%s: %s", cases[i].make, err.text);
		ck_assert_msg(strstr(err.text, "cannot boot from '/tmp/"), "%s", err.text);
		ck_assert_ptr_null(found.kernel);
	}
	sh("rm disk");
	ck_assert_int_ne(look(), 0);
	ck_assert_msg(strstr(err.text, "No such file"), "%s", err.text);
}
END_TEST

/* The process that reads a disk has its socket and nothing else. */
START_TEST(the_reader_is_confined)
{
	const struct boot_wish none = {.entry = NULL};
	struct boot_ask ask;
	char name[100], status[4096];
	int fd[2], fds = 0;
	struct stat st;

	ck_assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	pid_t pid = fork();
	if (!pid)
		bootloader_child(fd[1], 1 << 20, &none);
	close(fd[1]);
	/* It waits for an answer. */
	ck_assert_int_eq(read(fd[0], &ask, sizeof(ask)), (ssize_t)sizeof(ask));
	ck_assert_uint_eq(ask.what, BOOT_ASK_READ);
	for (int i = 0; i < 1024; i++) {
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)pid, i);
		fds += !lstat(name, &st);
	}
	snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	int f = open(name, O_RDONLY);
	ssize_t n = read(f, status, sizeof(status) - 1);
	close(f);
	status[n > 0 ? n : 0] = 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd[0]);
	ck_assert_int_eq(fds, 1);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ck_assert_msg(strstr(status, "\nSeccomp:\t2\n") && strstr(status, "\nNoNewPrivs:\t1\n"),
		      "%s", status);
#endif
}
END_TEST

/* ---- images that are made to break us ---- */

static uint8_t *image;
static size_t image_size;

static int read_image(void *arg, uint64_t offset, void *buf, size_t len)
{
	memcpy(buf, image + offset, len);
	return 0;
}

static void load_image(void)
{
	char path[100];
	struct stat st;

	snprintf(path, sizeof(path), "%s/disk", dir);
	int fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert(!fstat(fd, &st));
	image_size = (size_t)st.st_size;
	image = malloc(image_size);
	ck_assert_int_eq(read(fd, image, image_size), (ssize_t)image_size);
	close(fd);
}

/* Bytes that are something: what is zero is rarely looked at. */
static size_t some_place(unsigned *seed, size_t limit)
{
	for (unsigned i = 0; i < 1000; i++) {
		size_t at = (size_t)rand_r(seed) % limit;
		if (image[at])
			return at;
	}
	return 0;
}

/* Our own readers, in this process: partitions and FAT. */
START_TEST(flipped_bits)
{
	const struct boot_wish none = {.entry = NULL};
	unsigned seed = 3, good = 0;

	sh("truncate -s 4M disk; printf 'label: dos\\n64,,E\\n128,64,L\\n256,64,L\\n512,,c\\n' | "
	   "sfdisk "
	   "-q disk; rm root/vmlinuz root/initrd.img; truncate -s 20000 root/boot/*64");
	sh("mkfs.vfat -F 12 --offset 512 disk 3800; mcopy -s -i disk@@262144 root/* ::");
	load_image();
	struct disk_reader d = {.read = read_image, .size = image_size};
	for (unsigned i = 0; i < 3000; i++) {
		size_t at[3];
		uint8_t was[3];
		for (unsigned j = 0; j < 3; j++) {
			at[j] = some_place(&seed, i % 2 ? 262144 + 40000 : 262144 + 600);
			was[j] = image[at[j]];
			image[at[j]] =
				(uint8_t)(i % 3 ? was[j] ^ 1 << rand_r(&seed) % 8 : rand_r(&seed));
		}
		err.text[0] = 0;
		int rc = boot_search(&d, &none, &found, &err);
		good += !rc;
		ck_assert(rc ? err.text[0] && !found.kernel : found.kernel != NULL);
		boot_found_free(&found);
		for (unsigned j = 3; j--;)
			image[at[j]] = was[j];
	}
	ck_assert_int_eq(boot_search(&d, &none, &found, &err), 0);
	ck_assert_uint_gt(good, 0);
	/* A short disk. */
	for (d.size = 0; d.size < image_size; d.size += 4096 + 512) {
		boot_found_free(&found);
		boot_search(&d, &none, &found, &err);
	}
	free(image);
}
END_TEST

/* ext4 is read by a library, in a process of its own: whatever becomes of that, we go on. */
START_TEST(flipped_bits_of_ext4)
{
	unsigned seed = 5, good = 0;
	char path[100];

	sh("truncate -s 20000 root/boot/*64; mke2fs -q -t ext4 -b 1024 -O ^metadata_csum -d root "
	   "disk 2M");
	load_image();
	snprintf(path, sizeof(path), "%s/disk", dir);
	int fd = open(path, O_WRONLY);
	for (unsigned i = 0; i < 150; i++) {
		size_t at[4];
		for (unsigned j = 0; j < 4; j++) {
			uint8_t b;
			at[j] = some_place(&seed, i % 2 ? 4096 : 200000);
			b = (uint8_t)(i % 3 ? image[at[j]] ^ 1 << rand_r(&seed) % 8
					    : rand_r(&seed));
			ck_assert_int_eq(pwrite(fd, &b, 1, (off_t)at[j]), 1);
		}
		err.text[0] = 0;
		int rc = look();
		good += !rc;
		ck_assert(rc ? err.text[0] && !found.kernel : found.kernel != NULL);
		for (unsigned j = 0; j < 4; j++)
			ck_assert_int_eq(pwrite(fd, &image[at[j]], 1, (off_t)at[j]), 1);
	}
	close(fd);
	ck_assert_uint_gt(good, 0);
	ck_assert_int_eq(look(), 0);
	free(image);
}
END_TEST

/* Chains that bite their tails. */
START_TEST(loops)
{
	const struct boot_wish none = {.entry = NULL};
	uint8_t s[512] = {0};

	image = calloc(1, 1 << 20);
	image_size = 1 << 20;
	struct disk_reader d = {.read = read_image, .size = image_size};
	struct partition p[MAX_PARTITIONS];
	/* An extended partition whose next table is itself. */
	s[446 + 4] = 5;
	s[446 + 8] = 1;
	s[446 + 12] = 100;
	s[510] = 0x55;
	s[511] = 0xaa;
	memcpy(image, s, 512);
	memset(s + 446, 0, 64);
	s[446 + 4] = 0x83;
	s[446 + 8] = 1;
	s[446 + 12] = 1;
	s[446 + 16 + 4] = 5;
	s[446 + 16 + 8] = 0;
	memcpy(image + 512, s, 512);
	ck_assert_uint_le(partitions_find(&d, p), MAX_PARTITIONS);
	image[512 + 446 + 16 + 8] = 1;
	memcpy(image + 1024, image + 512, 512);
	unsigned nr = partitions_find(&d, p);
	ck_assert_uint_gt(nr, 1);
	ck_assert_uint_le(nr, MAX_PARTITIONS);
	for (unsigned i = 0; i < nr; i++)
		ck_assert(p[i].offset <= d.size && p[i].size <= d.size - p[i].offset);
	ck_assert_int_ne(boot_search(&d, &none, &found, &err), 0);
	free(image);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		whole_disks,
		partitions,
		which_partition,
		the_reader_is_confined,
		entries_in_a_folder,
		other_formats,
		long_names,
		links_and_several_ramdisks,
		sentences,
		what_pygrubs_options_do,
		flipped_bits,
		loops,
		flipped_bits_of_ext4,
	};
	Suite *s = suite_create("boot_image");
	TCase *c = tcase_create("boot_image");

	tcase_add_unchecked_fixture(c, make_dir, remove_dir);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	return run_suite(s);
}
