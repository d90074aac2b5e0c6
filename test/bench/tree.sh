#!/usr/bin/env bash
# What compiles in a guest's ramdisk: a generated tree of C files in ROOT/tree, and Debian's make and
# tcc, a compiler that is small enough for a ramdisk. tree.sh ROOT
# 6 files of 60 functions and a header that all include; make starts tcc for each, then links.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=${1:?usage: tree.sh ROOT}
files=6 functions=60
tcc=$(test/lib/unpack.sh tcc)
mkdir -p "$root"/{bin,tree,lib64,usr/lib/x86_64-linux-gnu}
cp "$tcc/usr/bin/tcc" "$(command -v make)" "$root/bin/"
cp -r "$tcc/usr/lib/x86_64-linux-gnu/tcc" "$root/usr/lib/x86_64-linux-gnu/"
ldd "$root/bin/tcc" "$root/bin/make" | awk '/=> \// {print $3} /^\t\// {print $1}' | sort -u | while read -r lib; do
  mkdir -p "$root$(dirname "$lib")"
  cp -L "$lib" "$root$lib"
done
awk -v files=$files -v functions=$functions -v dir="$root/tree" 'BEGIN {
  header = dir "/all.h"
  print "struct item { long key, value; struct item *next; char name[32]; };" >header
  for (i = 0; i < files; i++)
    for (k = 0; k < functions; k++)
      printf "long work_%d_%d(struct item *list, long n);\n", i, k >header
  for (i = 0; i < files; i++) {
    file = sprintf("%s/part%02d.c", dir, i)
    print "#include <stddef.h>\n#include \"all.h\"" >file
    for (k = 0; k < functions; k++) {
      printf "long work_%d_%d(struct item *list, long n)\n{\n\tlong sum = %d;\n", i, k, i * k >file
      print "\tfor (struct item *p = list; p != NULL; p = p->next) {" >file
      print "\t\tswitch (p->key % 7) {" >file
      for (c = 0; c < 6; c++)
        printf "\t\tcase %d:\n\t\t\tsum = sum * %d + (p->value ^ (sum >> %d));\n\t\t\tbreak;\n", c, c + k + 3, c + 1 >file
      print "\t\tdefault:\n\t\t\tp->name[n & 31] += (char)sum;\n\t\t}\n\t}" >file
      # A call into the file after this one.
      printf "\treturn n > 0 ? sum + work_%d_%d(list, n - 1) : sum;\n}\n", (i + 1) % files, k >file
    }
    close(file)
  }
  main = dir "/start.c"
  print "#include \"all.h\"\nvoid _start(void)\n{\n\tstatic struct item one;" >main
  print "\tfor (;;)\n\t\twork_0_0(&one, 10);\n}" >main
}'
cat >"$root/tree/Makefile" <<'MAKE'
OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
program: $(OBJECTS)
	tcc -nostdlib -static -o $@ $(OBJECTS)
%.o: %.c all.h
	tcc -c -o $@ $<
clean:
	@rm -f program *.o
MAKE
