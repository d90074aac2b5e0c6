#!/bin/bash
# The command line: exit statuses, and the one sentence on stderr, for bad usage
# and bad files. Needs no KVM: nothing here gets as far as a domain.
#
# usage: cli_test.sh [./xenolith]

program=$(realpath "${1:-./xenolith}")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

nr=0 failed=0

verdict() { # ok? name [why]
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then
		echo "ok $nr - $2"
	else
		failed=$((failed + 1))
		echo "not ok $nr - $2"
		[ -n "$3" ] && printf '# %s\n' "$3"
	fi
}

# refused NAME PATTERN ARG...: status 2, nothing on stdout, one line on stderr that
# starts with "xenolith: " and matches the pattern.
refused() {
	local name=$1 pattern=$2 status why=
	shift 2
	"$program" "$@" </dev/null >out 2>err
	status=$?
	if [ $status != 2 ]; then
		why="status $status: $(head -1 err)"
	elif [ -s out ]; then
		why="wrote to stdout: $(head -1 out)"
	elif [ "$(wc -l <err)" != 1 ]; then
		why="$(wc -l <err) lines on stderr"
	elif ! grep -q '^xenolith: ' err; then
		why="no prefix: $(cat err)"
	elif ! grep -Eq -- "$pattern" err; then
		why="no /$pattern/ in: $(cat err)"
	fi
	[ -z "$why" ]
	verdict $? "$name" "$why"
}

# prints NAME PATTERN ARG...: status 0, the pattern on stdout, nothing on stderr.
prints() {
	local name=$1 pattern=$2 status why=
	shift 2
	"$program" "$@" </dev/null >out 2>err
	status=$?
	if [ $status != 0 ]; then
		why="status $status"
	elif [ -s err ]; then
		why="stderr: $(head -1 err)"
	elif ! grep -Eq -- "$pattern" out; then
		why="no /$pattern/ on stdout"
	fi
	[ -z "$why" ]
	verdict $? "$name" "$why"
}

echo 'this is no kernel' >kernel
: >empty
mkdir dir
long=$(printf '%01024d' 0)
longpath=/$(printf '%0200d' 0)

# The program and its verbs.
"$program" </dev/null >out 2>err
[ $? = 2 ] && [ ! -s out ] && grep -q '^usage: xenolith VERB' err
verdict $? "no arguments: short usage on stderr, status 2"
prints "help" '^  run ' help
prints "--help is help" '^  run ' --help
prints "-h is help" '^  run ' -h
prints "version" '^xenolith [0-9]+\.[0-9]+' version
prints "--version is version" '^xenolith [0-9]+\.[0-9]+' --version
for verb in run info help version list console shutdown reboot destroy pause unpause sysrq mem-set vcpu-list vcpu-set \
	vcpu-pin block-attach block-detach block-list cd-insert cd-eject network-attach network-detach network-list domid domname rename uptime \
	top dmesg test; do
	prints "help $verb" "^usage: xenolith $verb" help "$verb"
	prints "$verb --help" "^usage: xenolith $verb" "$verb" --help
	prints "$verb -h" "^usage: xenolith $verb" "$verb" -h
done
"$program" help run >out
for o in ramdisk cmdline memory maxmem vcpus maxvcpus name profile p2m monitor gate hugepages kernel-cache disk vif pci e820-host shared-memory console paused xenstore stats quiet verbose; do
	grep -q -- "--$o" out
	verdict $? "help run tells of --$o"
done
refused "unknown verb" "there is no verb 'fly'" fly
refused "mistyped verb" "did you mean 'run'" rnu
refused "option before the verb" "a verb comes first" --memory=64 run kernel
refused "help about an unknown verb" "did you mean 'info'" help inof
refused "help about two verbs" "one operand too many" help run info
refused "operand for version" "one operand too many" version please
refused "operand for info" "no operand without --abi" info please
refused "--abi of an unknown profile" "--abi takes .*xen-4.17, not 'xen-9'" info --abi xen-9
refused "--abi of two profiles" "one operand too many" info --abi xen-4.17 xen-3.0.2
prints "info --abi" '^ 29  sched_op +- +yes +yes$' info --abi
prints "info --abi of one profile" '^ 24  vcpu_op$' info --abi xen-3.0.2
"$program" version >/dev/full 2>err
[ $? = 1 ] && grep -q '^xenolith: cannot write' err
verdict $? "full output device: status 1"

# Verbs for running domains, of which there are none.
export XDG_RUNTIME_DIR=$work/run
mkdir "$work/run"
one='console shutdown reboot destroy pause unpause domid domname dmesg vcpu-list block-list network-list uptime list network-attach'
for verb in $one; do
	refused "$verb of no domain" "there is no domain 'nobody'; 'xenolith list' shows" "$verb" nobody
done
for verb in console destroy pause unpause domid domname dmesg block-list network-list network-attach; do
	refused "$verb needs a domain" "'$verb' needs [[]?DOMAIN.*; see 'xenolith help $verb'" "$verb"
done
for verb in shutdown reboot; do
	refused "$verb needs a domain" "needs a domain, or -a" "$verb"
	refused "$verb -a and a domain" "takes -a or a domain, not both" "$verb" -a nobody
	"$program" "$verb" -a </dev/null >out 2>err
	[ $? = 0 ] && [ ! -s out ] && [ ! -s err ]
	verdict $? "$verb -a without domains"
done
for args in 'sysrq nobody h' 'mem-set nobody 64' 'vcpu-set nobody 1' 'vcpu-pin nobody all 0' 'rename nobody new' \
	'block-attach nobody file,raw,xvda,r' 'block-detach nobody xvda' 'cd-insert nobody xvda kernel' 'cd-eject nobody xvda' 'network-detach nobody 0' 'domid 7' \
	'domid 01234567-89ab-cdef-0123-456789abcdef' 'domid a/b' 'domid .domid'; do
	# shellcheck disable=SC2086
	refused "$args" "there is no domain '" $args
done
for args in 'sysrq nobody' 'mem-set nobody' 'vcpu-set nobody' 'vcpu-pin nobody 0' 'rename nobody' 'block-attach nobody' \
	'block-detach nobody' 'network-detach nobody' 'cd-insert nobody xvda' 'cd-eject nobody'; do
	# shellcheck disable=SC2086
	refused "$args: too few" "needs DOMAIN .*; see 'xenolith help" $args
done
refused "list of two" "one operand too many" list a b
refused "pause of two" "one operand too many" pause a b
for v in '' x 1x 1mm 1.5g 99999999999999999999 9999999999999t; do
	refused "mem-set '$v'" "'$v' is no size" mem-set nobody "$v"
done
for v in '' 0 33 two 1x; do
	refused "vcpu-set '$v'" "'$v' is no number of vcpus" vcpu-set nobody "$v"
done
for v in '' -1 32 x 1x; do
	refused "vcpu-pin of '$v'" "'$v' is no vcpu" vcpu-pin -- nobody "$v" 0
done
refused "vcpu-pin to nothing" "is no list of cpus" vcpu-pin nobody 0 ''
refused "vcpu-pin with a soft affinity" "no soft affinity" vcpu-pin nobody 0 0 1
refused "rename to a path" "'a/b' is no name" rename nobody a/b
refused "console -t" "takes pv" console -t serial nobody
refused "console -n" "takes 0" console -n 1 nobody
refused "top for no rounds" "--iterations takes a number" top -b -i 0
refused "top too fast" "--delay takes seconds" top -d 0.01
refused "top and a domain" "one operand too many" top nobody
prints "list" '^Name  +ID   Mem VCPUs.State.Time' list
prints "list -l" '^\[\]$' list -l
prints "vcpu-list" '^Name  +ID  VCPU   CPU State   Time' vcpu-list
prints "uptime" '^Name  +ID Uptime$' uptime
prints "top -b" '^ +NAME  STATE   CPU\(sec\) CPU\(%\)     MEM\(k\)' top -b -i 1
prints "an abbreviation" '^Name  +ID   Mem' li
refused "an abbreviation of several" "'re' is the beginning of several verbs: reboot, rename" re
refused "an empty verb" "there is no verb ''" ''
# What dead processes left is no domain; a file of another program is left alone.
mkdir -p run/xenolith/dead run/xenolith/other
perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un("run/xenolith/dead/control.sock")) or die'
echo hello >run/xenolith/other/control.sock
prints "list does not show the dead" '^Name' list
[ "$(wc -l <out)" = 1 ]
verdict $? "not one of them"
refused "a dead domain" "there is no domain 'dead'" pause dead
# Something that answers, but not as a domain does.
mkdir run/xenolith/odd
perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un("run/xenolith/odd/control.sock")) or die;
	listen($s, 5); for (1 .. 2) { accept(my $c, $s); sysread($c, my $b, 1000); syswrite($c, "hello\n") }' &
until [ -S run/xenolith/odd/control.sock ]; do sleep 0.05; done
"$program" list </dev/null >out 2>err
[ $? = 0 ] && [ "$(wc -l <out)" = 1 ] && grep -q "'odd' answers something that is none" err
verdict $? "list goes on without one that answers nonsense"
"$program" pause odd </dev/null >out 2>err
[ $? = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q "'odd' answers something that is none" err
verdict $? "a verb for it says so"
wait
unset XDG_RUNTIME_DIR
if [ "$(id -u)" != 0 ]; then
	refused_1() { "$program" list </dev/null >out 2>err; [ $? = 1 ] && grep -q 'XDG_RUNTIME_DIR is not set' err; }
	refused_1
	verdict $? "no folder for sockets"
fi

# Options in general.
refused "unknown option" "unknown option --frobnicate" run --frobnicate kernel
refused "mistyped option" "did you mean --memory" run --memroy=64 kernel
refused "beginning of an option" "did you mean --ramdisk" run --ram=x kernel
refused "unknown letter" "unknown option -x" run -vx kernel
refused "option without its argument" "--memory needs an argument" run kernel --memory
refused "argument for an option without one" "--quiet takes no argument" run --quiet=yes kernel
refused "options end at --" "'--memory=64'" run -- nofile --memory=64
refused "help wins over what follows" "unknown option" run --nonsense --help

# Values.
for v in 0 15 1048577 64M 1G -64 ' 64' '' 99999999999999999999999; do
	refused "--memory=$v" "--memory takes MiB from 16 to 1048576, not '$v'" run "--memory=$v" kernel
done
for v in 0 15 1048577 64M ''; do
	refused "--maxmem=$v" "--maxmem takes MiB from 16 to 1048576, not '$v'" run "--maxmem=$v" kernel
done
refused "--maxmem below --memory" "--maxmem 64 is less than --memory 65" run --maxmem=64 --memory=65 kernel
refused "--maxmem below the default" "--maxmem 511 is less than --memory 512" run --maxmem=511 kernel
for v in 0 33 two -1 ''; do
	refused "--maxvcpus=$v" "--maxvcpus takes a number from 1 to 32, not '$v'" run "--maxvcpus=$v" kernel
done
refused "--maxvcpus below --vcpus" "--maxvcpus 2 is less than --vcpus 3" run --vcpus=3 --maxvcpus=2 kernel
for v in 0 33 two -1 ''; do
	refused "--vcpus=$v" "--vcpus takes a number from 1 to 32, not '$v'" run "--vcpus=$v" kernel
done
refused "--profile" "--profile takes .*xen-4.17, not 'xen-9'" run --profile=xen-9 kernel
for v in random shuffled shuffle= ''; do
	refused "--p2m=$v" "--p2m takes identity, shuffle or shuffle:SEED, not '$v'" run "--p2m=$v" kernel
done
for v in shuffle: shuffle:x shuffle:-1 shuffle:1x shuffle:18446744073709551616; do
	refused "--p2m=$v" "takes a seed" run "--p2m=$v" kernel
done
for v in 1 4K 2m ''; do
	refused "--hugepages=$v" "--hugepages takes 2M or 1G, not '$v'" run "--hugepages=$v" kernel
done
refused "--hugepages=1G for less" "huge pages of 1 GiB are for domains of at least that size, not 512 MiB" \
	run --hugepages=1G kernel
refused "--hugepages=1G and shared memory" "in huge pages of 2 MiB, not of 1 GiB" \
	run --hugepages=1G --memory 1024 --shared-memory kernel
refused "--kernel-cache without a folder" "--kernel-cache needs a folder" run --kernel-cache= kernel
refused "--kernel-cache in no folder" "--kernel-cache: cannot make the folder 'no/cache': No such file" \
	run --kernel-cache no/cache kernel
refused "--kernel-cache is a file" "--kernel-cache: cannot open the folder 'kernel': Not a directory" \
	run --kernel-cache kernel kernel
mkdir -p open && chmod 777 open
refused "--kernel-cache that others can write to" "--kernel-cache: others can write to the folder 'open'" \
	run --kernel-cache open kernel
refused "--monitor=fast" "--monitor takes auto, forward or resident, not 'fast'" run --monitor fast kernel
refused "--gate=int" "--gate takes auto, syscall or vmcall, not 'int'" run --gate int kernel
for v in tty stdio:x pty: socket: file file: '' ':'; do
	refused "--console=$v" "--console takes stdio, pty, socket, socket:PATH or file:PATH, not '$v'" \
		run "--console=$v" kernel
done
refused "a socket's path is too long" "at most 107" run "--console=socket:$longpath" kernel
for v in '' "$longpath"; do
	refused "--xenstore=${v:0:8}" "--xenstore takes a path of 1 to 107 characters" run "--xenstore=$v" kernel
done
refused "--stats without a name" "--stats= needs a file name" run --stats= kernel
refused "--cmdline too long" "at most 1023 characters" run --cmdline "$long" kernel
for v in '' a/b 'a b' . .. "${long:0:64}"; do
	refused "--name=${v:0:8}" "--name takes 1 to 63 characters" run --name "$v" kernel
done

# Files.
refused "no kernel" "needs a kernel file" run
refused "no kernel behind --" "needs a kernel file" run --
refused "two kernels" "'kernel' is one operand too many" run kernel kernel
refused "kernel does not exist" "kernel 'nofile': No such file" run nofile
refused "kernel is a folder" "kernel 'dir' is not a regular file" run dir
refused "kernel is a device" "not a regular file" run /dev/null
refused "kernel is empty" "kernel 'empty' is empty" run empty
refused "disk without a device" "disk '/x,raw': which device is it to be" run --disk=/x,raw kernel
refused "disk without a target" "disk xvda has no target" run --disk=,raw,xvda,rw kernel
refused "disk of an unknown format" "unknown disk format 'vdi' .*qcow2.*vmdk" run --disk=/x,vdi,xvda,rw kernel
refused "disk of no access" "unknown disk access 'rx'" run --disk=/x,raw,xvda,rx kernel
refused "disk with a field too many" "one field too many" run --disk=/x,raw,xvda,rw,more kernel
refused "disk with an unknown key" "unknown disk key" run --disk=/x,raw,xvda,rw,sectors=5 kernel
refused "disk of odd sectors" "sector-size is 512 or 4096" run --disk=/x,raw,xvda,rw,sector-size=1024 kernel
refused "disk of no patience" "timeout is 1 to 3600" run --disk=/x,raw,xvda,rw,timeout=0 kernel
refused "vif with an unknown key" "vif 'colour=red': unknown key" run --vif colour=red kernel
refused "vif that is emulated" "a PV guest has type=vif" run --vif type=ioemu kernel
refused "vif with a backend of its own" "no driver domains" run --vif backend=netvm kernel
refused "vif with a bad MAC" "no MAC address" run --vif mac=1:2:3 kernel
refused "vif with half a forward" "fwd takes tcp:" run --vif fwd=tcp:22 kernel
refused "cable without a path" "net=socket needs path=" run --vif net=socket kernel
refused "a PCI function that is nothing" "pci 'foo': what device is it" run --pci foo kernel
refused "an unknown model" "no model 'abc'; the models are .*testcard" run --pci model=abc kernel
refused "a slot that is none" "vslot takes a slot from 0 to 1f" run --pci model=testcard@20 kernel
refused "a slot that is none, by key" "vslot takes a slot from 0 to 1f" run --pci model=testcard,vslot=x kernel
refused "an option twice" "each option once" run --pci model=testcard,vslot=3,vslot=4 kernel
refused "a switch that is none" "a switch takes 0 or 1" run --pci model=testcard,permissive=yes kernel
refused "an rdm_policy that is none" "rdm_policy takes strict or relaxed" run --pci 03:00.0,rdm_policy=foo kernel
refused "an address and a name" "not both" run --pci 03:00.0,name=card kernel
refused "an address that is none" "written as" run --pci 03:20.0 kernel
refused "a model's unknown option" "unknown option 'zork'" run --pci model=testcard,zork=1 kernel
refused "NVMe without a file" "no file=" run --pci model=nvme kernel
refused "vfio-user without a path" "what device is it" run --pci vfio-user= kernel
refused "pci-attach without a function" "needs DOMAIN SPEC" pci-attach one
refused "pci-attach of nothing" "what device is it" pci-attach one foo
refused "pci-list of no domain" "needs DOMAIN" pci-list
refused "ramdisk does not exist" "ramdisk 'nofile': No such file" run --ramdisk nofile kernel
refused "ramdisk is a folder" "ramdisk 'dir' is not a regular file" run --ramdisk=dir kernel
refused "ramdisk is empty" "ramdisk 'empty' is empty" run --ramdisk=empty kernel
if [ "$(id -u)" = 0 ]; then
	nr=$((nr + 1))
	echo "ok $nr - kernel is not readable # SKIP root reads everything"
else
	echo x >secret
	chmod 0 secret
	refused "kernel is not readable" "Permission denied" run secret
fi
refused "kernel is no kernel" "kernel" run kernel

echo "1..$nr"
[ $failed = 0 ]
