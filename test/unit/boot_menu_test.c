/*
 * Boot loaders' configurations: what would be booted. The grub.cfg texts have the parts
 * that grub-mkconfig of Debian 12 writes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_run.h"
#include "vmm/boot/boot_menu.h"

static struct boot_menu m;
static const char *grubenv, *other; /* files beside the configuration */
static bool with_bls;

static void setup(void)
{
	m = (struct boot_menu){0};
	grubenv = other = NULL;
	with_bls = false;
}

static void teardown(void)
{
	boot_menu_free(&m);
}

static const struct {
	const char *path, *text;
} bls[] = {
	{"/loader/entries/0a-6.9.4-200.fc40.x86_64.conf",
	 "title Fedora Linux (6.9.4-200.fc40.x86_64) 40\nversion 6.9.4-200.fc40.x86_64\n"
	 "linux /vmlinuz-6.9.4\ninitrd /initramfs-6.9.4.img $tuned_initrd\n"
	 "options root=UUID=1 ro $kernelopts\ngrub_users $grub_users\ngrub_class fedora\n"},
	{"/loader/entries/0a-6.10.2-200.fc40.x86_64.conf",
	 "# the newest\r\noptions root=UUID=1  ro\r\n\r\noptions\tquiet\r\n"
	 "linux\t/vmlinuz-6.10.2\r\ninitrd /a /b\r\ninitrd /c\r\ntitle Newest\r\n"},
	{"/loader/entries/0a-0-rescue.conf", "title Rescue\nlinux /vmlinuz-rescue\n"},
	{"/loader/entries/.hidden.conf", "title no\nlinux /no\n"},
	{"/loader/entries/readme.txt", "title no\nlinux /no\n"},
	{"/loader/entries/.conf", "title no\nlinux /no\n"},
	{"/loader/entries/empty.conf", ""},
	{"/loader/entries/odd.conf", "linux\ninitrd\noptions"},
};
#define NR_BLS (sizeof(bls) / sizeof(bls[0]))

static int read_file(void *arg, const char *path, void **data, size_t *size)
{
	const char *text = !strcmp(path, "/boot/grub/grubenv")	    ? grubenv
			   : !strcmp(path, "/boot/grub/custom.cfg") ? other
								    : NULL;
	for (unsigned i = 0; i < NR_BLS && !text; i++)
		if (!strcmp(path, bls[i].path))
			text = bls[i].text;
	if (!text)
		return -ENOENT;
	*data = strdup(text);
	*size = strlen(text);
	return 0;
}

static void list_one(void (*fn)(void *arg, const char *name), void *arg, const char *path)
{
	fn(arg, strrchr(path, '/') + 1);
}

static int list_files(void *arg, const char *path, void (*fn)(void *arg, const char *name),
		      void *fn_arg)
{
	if (!with_bls || strcmp(path, "/loader/entries"))
		return -ENOENT;
	for (unsigned i = 0; i < NR_BLS; i++)
		list_one(fn, fn_arg, bls[i].path);
	return 0;
}

static const struct boot_files_source files = {.read = read_file, .list = list_files};

static void grub2(const char *text)
{
	boot_menu_free(&m);
	ck_assert_int_eq(boot_menu_grub2(&m, text, "/boot/grub/grub.cfg", &files), 0);
}

static void grub1(const char *text)
{
	boot_menu_free(&m);
	ck_assert_int_eq(boot_menu_grub1(&m, text), 0);
}

static void extlinux(const char *text)
{
	boot_menu_free(&m);
	ck_assert_int_eq(boot_menu_extlinux(&m, text, "/boot/extlinux/extlinux.conf"), 0);
}

/* "KERNEL|ARGS|INITRD,INITRD" of the default, or of entry `which`. */
static const char *booted(const char *which)
{
	static char text[1000];
	const struct boot_entry *e = which ? boot_menu_find(&m, which) : boot_menu_default(&m);
	size_t n;

	if (!e)
		return "nothing";
	n = (size_t)snprintf(text, sizeof(text), "%s|%s|", e->kernel, e->args);
	for (unsigned i = 0; i < e->nr_initrds; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? "," : "",
				      e->initrd[i]);
	return text;
}

#define HEADER                                             \
	"if [ -s $prefix/grubenv ]; then\n"                \
	"  set have_grubenv=true\n"                        \
	"  load_env\n"                                     \
	"fi\n"                                             \
	"if [ \"${next_entry}\" ] ; then\n"                \
	"   set default=\"${next_entry}\"\n"               \
	"   set next_entry=\n"                             \
	"   save_env next_entry\n"                         \
	"   set boot_once=true\n"                          \
	"else\n"                                           \
	"   set default=\"%s\"\n"                          \
	"fi\n"                                             \
	"\n"                                               \
	"if [ x\"${feature_menuentry_id}\" = xy ]; then\n" \
	"  menuentry_id_option=\"--id\"\n"                 \
	"else\n"                                           \
	"  menuentry_id_option=\"\"\n"                     \
	"fi\n"                                             \
	"\n"                                               \
	"export menuentry_id_option\n"                     \
	"\n"                                               \
	"if [ \"${prev_saved_entry}\" ]; then\n"           \
	"  set saved_entry=\"${prev_saved_entry}\"\n"      \
	"  save_env saved_entry\n"                         \
	"fi\n"                                             \
	"function savedefault {\n"                         \
	"  if [ -z \"${boot_once}\" ]; then\n"             \
	"    saved_entry=\"${chosen}\"\n"                  \
	"    save_env saved_entry\n"                       \
	"  fi\n"                                           \
	"}\n"                                              \
	"function load_video {\n"                          \
	"  if [ x$feature_all_video_module = xy ]; then\n" \
	"    insmod all_video\n"                           \
	"  else\n"                                         \
	"    insmod efi_gop\n"                             \
	"  fi\n"                                           \
	"}\n"                                              \
	"if [ x$feature_default_font_path = xy ] ; then\n" \
	"   font=unicode\n"                                \
	"else\n"                                           \
	"insmod part_msdos\n"                              \
	"    font=\"/usr/share/grub/unicode.pf2\"\n"       \
	"fi\n"                                             \
	"if loadfont $font ; then\n"                       \
	"  set gfxmode=auto\n"                             \
	"fi\n"                                             \
	"set timeout_style=menu\n"                         \
	"if [ \"${timeout}\" = 0 ]; then\n"                \
	"  set timeout=5\n"                                \
	"fi\n"

#define ENTRY(title, id, version, args)                                                           \
	"menuentry '" title "' --class debian --class gnu-linux --class os $menuentry_id_option " \
	"'" id "' {\n"                                                                            \
	"\tload_video\n"                                                                          \
	"\tinsmod gzio\n"                                                                         \
	"\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi\n"                  \
	"\tinsmod part_msdos\n"                                                                   \
	"\tsearch --no-floppy --fs-uuid --set=root 0a1b\n"                                        \
	"\techo\t'Loading Linux " version " ...'\n"                                               \
	"\tlinux\t/boot/vmlinuz-" version " root=UUID=0a1b ro " args "\n"                         \
	"\techo\t'Loading initial ramdisk ...'\n"                                                 \
	"\tinitrd\t/boot/initrd.img-" version "\n"                                                \
	"}\n"

#define MENU                                                                                       \
	ENTRY("Debian GNU/Linux", "gnulinux-simple-0a1b", "6", " quiet")                           \
	"submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option "                    \
	"'gnulinux-advanced-0a1b' {\n" ENTRY("Debian GNU/Linux, with Linux 6",                     \
					     "gnulinux-6-advanced-0a1b", "6", " quiet")            \
		ENTRY("Debian GNU/Linux, with Linux 6 (recovery mode)",                            \
		      "gnulinux-6-recovery-0a1b", "6", "single")                                   \
			ENTRY("Debian GNU/Linux, with Linux 5", "gnulinux-5-advanced-0a1b", "5",   \
			      " quiet") "}\n"                                                      \
					"menuentry 'UEFI Firmware Settings' $menuentry_id_option " \
					"'uefi-firmware' {\n"                                      \
					"\tfwsetup\n"                                              \
					"}\n"                                                      \
					"if [ -f  ${config_directory}/custom.cfg ]; then\n"        \
					"  source ${config_directory}/custom.cfg\n"                \
					"elif [ -z \"${config_directory}\" -a -f  "                \
					"$prefix/custom.cfg ]; then\n"                             \
					"  source $prefix/custom.cfg\n"                            \
					"fi\n"

static void debian(const char *def)
{
	char text[16384];

	snprintf(text, sizeof(text), HEADER, def);
	strcat(text, MENU);
	grub2(text);
}

START_TEST(debians_grub_cfg)
{
	static const struct {
		const char *def, *boots;
	} cases[] = {
		{"0", "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6"},
		{"1", "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6"},
		{"1>1", "/boot/vmlinuz-6|root=UUID=0a1b ro single|/boot/initrd.img-6"},
		{"1>2", "/boot/vmlinuz-5|root=UUID=0a1b ro quiet|/boot/initrd.img-5"},
		{"gnulinux-simple-0a1b",
		 "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6"},
		{"gnulinux-advanced-0a1b>gnulinux-5-advanced-0a1b",
		 "/boot/vmlinuz-5|root=UUID=0a1b ro quiet|/boot/initrd.img-5"},
		{"Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 5",
		 "/boot/vmlinuz-5|root=UUID=0a1b ro quiet|/boot/initrd.img-5"},
		/* What is not there is the first; what boots no Linux, too. */
		{"7", "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6"},
		{"2", "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6"},
		{"1>9", "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6"},
		{"", "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		debian(cases[i].def);
		ck_assert_uint_eq(m.nr, 6);
		ck_assert_msg(!strcmp(booted(NULL), cases[i].boots), "%s: %s", cases[i].def,
			      booted(NULL));
	}
	ck_assert_str_eq(m.entry[0].title, "Debian GNU/Linux");
	ck_assert_str_eq(m.entry[0].id, "gnulinux-simple-0a1b");
	/* pygrub's --entry: a flat number, or a title. */
	ck_assert_str_eq(booted("2"),
			 "/boot/vmlinuz-6|root=UUID=0a1b ro single|/boot/initrd.img-6");
	ck_assert_str_eq(booted("Debian GNU/Linux, with Linux 5"),
			 "/boot/vmlinuz-5|root=UUID=0a1b ro quiet|/boot/initrd.img-5");
	ck_assert_str_eq(booted("4"), "nothing");
	ck_assert_str_eq(booted("5"), "nothing");
	ck_assert_str_eq(booted("Windows"), "nothing");
}
END_TEST

START_TEST(saved_entries)
{
	grubenv = "# GRUB Environment Block\nsaved_entry=1>2\n####";
	debian("${saved_entry}");
	ck_assert_str_eq(booted(NULL),
			 "/boot/vmlinuz-5|root=UUID=0a1b ro quiet|/boot/initrd.img-5");
	grubenv = "# GRUB Environment Block\nsaved_entry=gnulinux-advanced-0a1b>"
		  "gnulinux-6-recovery-0a1b\n####";
	debian("${saved_entry}");
	ck_assert_str_eq(booted(NULL),
			 "/boot/vmlinuz-6|root=UUID=0a1b ro single|/boot/initrd.img-6");
	/* Empty, as grub-editenv creates it: not loaded with -s? It has its comment. */
	grubenv = "# GRUB Environment Block\n####";
	debian("${saved_entry}");
	ck_assert_str_eq(booted(NULL),
			 "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6");
	/* Without a way to remove it from the file it would count for ever. */
	grubenv = "# GRUB Environment Block\nnext_entry=1>2\n";
	debian("0");
	ck_assert_str_eq(booted(NULL),
			 "/boot/vmlinuz-6|root=UUID=0a1b ro quiet|/boot/initrd.img-6");
	other = "menuentry 'mine' { linux /boot/mine a=b\n}\nset default=3\n";
	debian("0");
	ck_assert_str_eq(booted(NULL), "/boot/mine|a=b|");
}
END_TEST

START_TEST(the_language)
{
	static const struct {
		const char *text, *boots;
	} cases[] = {
		{"menuentry 'a' { linux /k x y\ninitrd /a /b /c\n}", "/k|x y|/a,/b,/c"},
		{"menuentry a {\nlinux (hd0,msdos1)/k\ninitrd ($root)/i\n}", "/k||/i"},
		{"menuentry a { linux16 /k; initrd16 /i; }", "/k||/i"},
		{"menuentry a { linuxefi /k; initrdefi /i; }", "/k||/i"},
		{"set v=6.1\nset p=/boot\nmenuentry a { linux $p/vmlinuz-${v} r=$v }\n",
		 "/boot/vmlinuz-6.1|r=6.1|"},
		{"set args='a b'\nmenuentry a { linux /k $args \"$args\" '$args' \\$args }",
		 "/k|a b \"a b\" $args $args|"},
		{"menuentry a { linux /k $nothing x \"\" y }", "/k|x  y|"},
		{"menuentry a { linux /k 'dyndbg=file x +p' }", "/k|\"dyndbg=file x +p\"|"},
		{"menuentry a { linux /k a\\\n b\n }", "/k|a b|"},
		{"menuentry a { # why\n linux /k a#b # not this\n}", "/k|a#b|"},
		{"menuentry a {\n linux /old\n linux /k\n initrd /old\n initrd /i\n}", "/k||/i"},
		{"menuentry a { if [ 1 = 2 ]; then linux /x; else linux /k; fi }", "/k||"},
		{"menuentry a { if [ 1 = 1 ]; then linux /k; else linux /x; fi }", "/k||"},
		{"if [ a != b ]; then set v=/k\nfi\nmenuentry a { linux $v }", "/k||"},
		{"if test -n x; then set v=/k; fi; menuentry a { linux $v }", "/k||"},
		{"if ! test -z ''; then set v=/x; else set v=/k; fi; menuentry a { linux $v }",
		 "/k||"},
		{"if [ -z '' -a x = y ]; then set v=/x; elif true; then set v=/k; elif true; then "
		 "set "
		 "v=/y; fi; menuentry a { linux $v }",
		 "/k||"},
		{"if [ 1 = 2 -o x = x ]; then if false; then set v=/x; else set v=/k; fi; fi\n"
		 "menuentry a { linux $v }",
		 "/k||"},
		{"if [ -e /boot/grub/grubenv ]\nthen\nset v=/x\nelse\nset v=/k\nfi\n"
		 "menuentry a { linux $v }",
		 "/k||"},
		{"if unknown_command; then set v=/x; else set v=/k; fi; menuentry a { linux $v }",
		 "/k||"},
		{"function f { linux /x\nset v=/x\n}\nset v=/k\nmenuentry a { linux $v }", "/k||"},
		{"for i in 1 2; do\n set v=/x\n for j in 3; do true; done\ndone\nset v=/k\n"
		 "menuentry a { linux $v }",
		 "/k||"},
		{"set default=1\nmenuentry a { linux /x }\nmenuentry b { linux /k }", "/k||"},
		{"default=b\nmenuentry a { linux /x }\nmenuentry 'b' { linux /k }", "/k||"},
		{"set default='a>b'\nmenuentry a { linux /x }\nmenuentry 'a>b' { linux /k }",
		 "/k||"},
		{"menuentry 'Windows' { chainloader +1 }\nmenuentry b { linux /k }", "/k||"},
		{"menuentry a { multiboot /xen.gz\nmodule /vmlinuz\n}\nmenuentry b { linux /k }",
		 "/k||"},
		{"submenu s { menuentry a { linux /k } }", "/k||"},
		{"}\n}\nmenuentry a { linux /k }", "/k||"},
		{"menuentry a { linux /k", "/k||"},
		{"menuentry", "nothing"},
		{"", "nothing"},
		{"linux /k", "nothing"},
		{"menuentry a { linux }", "nothing"},
		{"if if if if", "nothing"},
		{"fi fi else elif then }", "nothing"},
		{"menuentry 'a", "nothing"},
		{"set a=\"${", "nothing"},
		{"source /boot/grub/custom.cfg", "nothing"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		grub2(cases[i].text);
		ck_assert_msg(!strcmp(booted(NULL), cases[i].boots), "%s: %s", cases[i].text,
			      booted(NULL));
	}
}
END_TEST

/* Fedora's: the entries are files. */
START_TEST(boot_loader_specification)
{
	with_bls = true;
	grubenv = "# GRUB Environment Block\nkernelopts=rhgb quiet\n####";
	grub2("set default=\"${saved_entry}\"\nload_env\ninsmod blscfg\nblscfg\n");
	ck_assert_str_eq(booted(NULL), "/vmlinuz-6.10.2|root=UUID=1 ro quiet|/a,/b,/c");
	ck_assert_str_eq(booted("Fedora Linux (6.9.4-200.fc40.x86_64) 40"),
			 "/vmlinuz-6.9.4|root=UUID=1 ro rhgb quiet|/initramfs-6.9.4.img");
	grubenv = "# GRUB Environment Block\nsaved_entry=0a-6.9.4-200.fc40.x86_64\n####";
	grub2("load_env\nset default=\"${saved_entry}\"\nblscfg\n");
	ck_assert_str_eq(booted(NULL), "/vmlinuz-6.9.4|root=UUID=1 ro|/initramfs-6.9.4.img");
	grub2("menuentry a { linux /k }\nblscfg\n");
	ck_assert_str_eq(booted(NULL), "/k||");
	ck_assert_uint_eq(m.nr, 6);
	with_bls = false;
	grub2("blscfg\n");
	ck_assert_str_eq(booted(NULL), "nothing");
}
END_TEST

START_TEST(menu_lst)
{
	/* As Debian's and Amazon's images had it. */
	grub1("# menu.lst\n"
	      "default\t\t1\n"
	      "timeout\t\t5\n"
	      "## default num\n"
	      "title\t\tDebian GNU/Linux, kernel 2.6.32\n"
	      "root\t\t(hd0,0)\n"
	      "kernel\t\t/boot/vmlinuz-2.6.32 root=/dev/xvda1 ro quiet\n"
	      "initrd\t\t/boot/initrd.img-2.6.32\n"
	      "\n"
	      "title Other\n"
	      "  root (hd0)\n"
	      "  kernel  --no-mem-option (hd0,0)/boot/vmlinuz-x   console=hvc0  a=b\r\n"
	      "  initrd (hd0,0)/boot/x.img\r\n");
	ck_assert_uint_eq(m.nr, 2);
	ck_assert_str_eq(m.entry[0].title, "Debian GNU/Linux, kernel 2.6.32");
	ck_assert_str_eq(booted(NULL), "/boot/vmlinuz-x|console=hvc0  a=b|/boot/x.img");
	ck_assert_str_eq(booted("0"),
			 "/boot/vmlinuz-2.6.32|root=/dev/xvda1 ro quiet|/boot/initrd.img-2.6.32");
	ck_assert_str_eq(booted("Other"), "/boot/vmlinuz-x|console=hvc0  a=b|/boot/x.img");
	grub1("default=saved\ntitle a\nkernel /k\n");
	ck_assert_str_eq(booted(NULL), "/k||");
	grub1("title xen\nkernel /boot/xen-3.gz dom0_mem=1\nmodule /boot/vmlinuz ro\n"
	      "module /boot/initrd\n");
	ck_assert_str_eq(booted(NULL), "/boot/vmlinuz|ro|/boot/initrd");
	grub1("kernel /k\ntitle\ntitle x\nkernel\n");
	ck_assert_str_eq(booted(NULL), "nothing");
}
END_TEST

START_TEST(extlinux_conf)
{
	extlinux("DEFAULT menu.c32\n"
		 "PROMPT 0\n"
		 "MENU TITLE Alpine\n"
		 "TIMEOUT 10\n"
		 "LABEL virt\n"
		 "  MENU DEFAULT\n"
		 "  MENU LABEL Linux virt\n"
		 "  LINUX vmlinuz-virt\n"
		 "  INITRD initramfs-virt\n"
		 "  APPEND root=UUID=1 modules=ext4 quiet\n"
		 "LABEL old\n"
		 "  kernel /boot/vmlinuz-old\n"
		 "  append initrd=/boot/a,b root=/dev/xvda1\n");
	ck_assert_uint_eq(m.nr, 2);
	ck_assert_str_eq(m.entry[0].title, "Linux virt");
	ck_assert_str_eq(booted(NULL), "/boot/extlinux/vmlinuz-virt|root=UUID=1 modules=ext4 quiet|"
				       "/boot/extlinux/initramfs-virt");
	ck_assert_str_eq(booted("old"),
			 "/boot/vmlinuz-old|root=/dev/xvda1|/boot/a,/boot/extlinux/b");
	extlinux("default b\nlabel a\nlinux /x\nlabel b\nlinux /k\n");
	ck_assert_str_eq(booted(NULL), "/k||");
	extlinux("label a\nkernel mboot.c32\nappend /xen.gz dom0_mem=1 --- /k a b --- /i\n");
	ck_assert_str_eq(booted(NULL), "/k|a b |/i");
	extlinux("label a\nkernel /boot/mboot.c32\nappend /k a --- /i");
	ck_assert_str_eq(booted(NULL), "/k|a |/i");
	extlinux("label\nkernel\nappend\ninitrd\nlabel x");
}
END_TEST

START_TEST(limits)
{
	size_t size = BOOT_MAX_CONFIG;
	char *text = malloc(size + 1);
	size_t n = 0;

	/* As many entries as fit. */
	while (n + 30 < size)
		n += (size_t)sprintf(text + n, "menuentry a { linux /k }\n");
	grub2(text);
	ck_assert_uint_eq(m.nr, BOOT_MAX_ENTRIES);
	ck_assert_str_eq(booted(NULL), "/k||");
	for (n = 0; n + 16 < size;)
		n += (size_t)sprintf(text + n, "title a\nkernel /k\n");
	grub1(text);
	ck_assert_uint_eq(m.nr, BOOT_MAX_ENTRIES);
	for (n = 0; n + 16 < size;)
		n += (size_t)sprintf(text + n, "label a\nlinux /k\n");
	extlinux(text);
	ck_assert_uint_eq(m.nr, BOOT_MAX_ENTRIES);
	/* Deep, long, and growing with each line. */
	for (n = 0; n + 20 < size;)
		n += (size_t)sprintf(text + n, "if true; then\n");
	grub2(text);
	for (n = 0; n + 20 < size;)
		n += (size_t)sprintf(text + n, "submenu a {\n");
	grub2(text);
	ck_assert(strstr(m.problem, "nested"));
	n = (size_t)sprintf(text, "set a=xxxxxxxx\n");
	while (n + 40 < size)
		n += (size_t)sprintf(text + n, "set a=$a$a$a$a\nset v%zu=$a\n", n);
	grub2(text);
	memset(text, 'x', size);
	text[size] = 0;
	memcpy(text, "menuentry a { linux /k ", 23);
	grub2(text);
	ck_assert_uint_lt(strlen(booted(NULL)), 2 * BOOT_MAX_CMDLINE);
	/* A file that reads itself. */
	other = "source /boot/grub/custom.cfg\nmenuentry a { linux /k }\n";
	grub2(other);
	ck_assert_str_eq(booted(NULL), "/k||");
	free(text);
}
END_TEST

/* Any order of what the languages are made of. */
START_TEST(hostile)
{
	static const char *const parts[] = {
		"menuentry ", "submenu ",   "{",	 "}",
		"\n",	      ";",	    "if ",	 "then ",
		"else ",      "elif ",	    "fi ",	 "[ ",
		"] ",	      "= ",	    "$a",	 "${a}",
		"${",	      "\"",	    "'",	 "\\",
		"#",	      "linux ",	    "initrd ",	 "set a=",
		"load_env\n", "source ",    "blscfg\n",	 "/boot/grub/custom.cfg ",
		"for ",	      "done ",	    "function ", "title ",
		"kernel ",    "label ",	    "append ",	 "---",
		"initrd=",    "mboot.c32 ", "default ",	 "1>2 ",
		"(",	      ")",	    " ",	 "/k ",
	};
	unsigned seed = 7;
	char text[400];

	with_bls = true;
	other = "menuentry b { linux /b }\nif [ $a ]; then\n";
	grubenv = "a=b\nsaved_entry=0\n";
	for (unsigned i = 0; i < 30000; i++) {
		text[0] = 0;
		for (unsigned j = 0; j < 24; j++)
			strcat(text,
			       parts[(size_t)rand_r(&seed) % (sizeof(parts) / sizeof(parts[0]))]);
		grub2(text);
		booted(NULL);
		booted("0");
		grub1(text);
		booted(NULL);
		extlinux(text);
		booted(NULL);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		boot_loader_specification,
		debians_grub_cfg,
		saved_entries,
		the_language,
		menu_lst,
		extlinux_conf,
		limits,
		hostile,
	};

	return RUN_TESTS("boot_menu", setup, teardown, tests);
}
