# planeswitch: KVM modules with planes, BPF policies, and the tools and tests around them.
# "make help" lists the targets.

O ?= build
KVER ?=
KDIR ?=
LINUX_SRC ?=
IMAGE ?=

# make has no way to quote a blank, and Kbuild none to quote the rest: such a path would be taken for
# several, one of them perhaps a makefile to read, and another a directory to write to.
empty :=
tab := $(empty)	$(empty)
space := $(empty) $(empty)
hash := \#
bad_characters := ' " ` $$ & ; : , ( ) [ ] { } < > | * ? % = \ $(hash)
bad_in = $(strip $(foreach c,$(bad_characters),$(findstring $(c),$(1))) \
	$(if $(findstring $(space),$(1))$(findstring $(tab),$(1)),blank))
check_path = $(if $(call bad_in,$(2)),$(error $(1): "$(2)" has a character that the build cannot \
	have in a path: $(firstword $(call bad_in,$(2)))))
$(call check_path,the directory of this Makefile,$(CURDIR))
$(foreach v,O KDIR LINUX_SRC IMAGE,$(call check_path,$(v),$($(v))))
override O := $(abspath $(O))

# What the user asked for; $(O)/config.mk sets the same variables to what was found.
asked := KVER='$(KVER)' KDIR='$(KDIR)' LINUX_SRC='$(LINUX_SRC)' IMAGE='$(IMAGE)'

# To a kernel's Makefiles, O= on the command line would be their own output.
MAKEOVERRIDES =
unexport O KVER KDIR IMAGE

# Nor is it for the environment to say what the makefiles of a kernel, of libbpf and of bpftool do:
# a KBUILD_OUTPUT or CFLAGS there is for something else. What our scripts read has to be in English,
# and to be where they look for it.
unexport $(filter KBUILD_% CONFIG_% HOST% LLVM% CLANG% EXTRA_% USER% feature-% FEATURE% %FLAGS, \
	$(filter-out MAKEFLAGS MFLAGS USER USERNAME HOSTNAME HOSTTYPE,$(.VARIABLES)))
unexport ARCH SUBARCH SRCARCH CROSS_COMPILE LD AR AS NM OBJCOPY OBJDUMP READELF STRIP PAHOLE M C V W \
	OUTPUT LIBBPF_OUTPUT VMLINUX_BTF VMLINUX_H srctree objtree VPATH SRC \
	CDPATH BASH_ENV ENV POSIXLY_CORRECT GREP_OPTIONS TAR_OPTIONS QUOTING_STYLE VERSION_CONTROL
export LC_ALL := C.UTF-8
MAKEFLAGS += --no-print-directory

# With -R in MAKEFLAGS make has none.
CC ?= cc

# All CPUs, unless make was told how many.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all modules tools policies loader selftests check check-intel check-kvm bench bench-plot bench-off \
	profile demo vm lint tree patchstat modules_install modules_uninstall install uninstall clean \
	help FORCE
all: modules tools policies loader selftests $(O)/qemu/qemu

help:
	@echo 'make                     modules, libbpf and bpftool, policies, planectl, tests'
	@echo 'make check               the tests, in a virtual machine (TAP)'
	@echo 'make check-intel         those that one CPU can run, on VMX, which Bochs emulates (minutes)'
	@echo 'make check-kvm           the KVM selftests of the kernel, on stock KVM and on ours (an hour)'
	@echo 'make bench               what a round trip between VTLs or VMPLs costs; and $$O/bench.json'
	@echo 'make bench-plot          docs/bench.svg of that'
	@echo 'make bench-off           what a VM without planes pays, in instructions'
	@echo 'make profile ROW=<row>   where the instructions of a row of the benchmark go'
	@echo 'make demo                ten thousand VTL calls, by userspace and by policy;'
	@echo '                         PERSONALITY=vmpl: as many of a service module in VMPL 0'
	@echo 'make vm                  a shell in that machine, everything loaded'
	@echo 'make lint                checkpatch --strict and shellcheck'
	@echo 'make patchstat           lines changed in stock files, patch by patch'
	@echo 'make tree LINUX=<dir>    the same files and patches in a whole 6.12 tree'
	@echo 'make modules_install     to updates/ of this kernel; modules_uninstall goes back'
	@echo 'make install             planectl, policies and headers to PREFIX (/usr/local); uninstall'
	@echo 'make clean               removes $$O'
	@echo
	@echo 'O=<dir> output (build)   KVER=<release> the kernel, of those Debian has'
	@echo 'KDIR=<dir> headers, LINUX_SRC=<dir> source, IMAGE=<dir> vmlinuz and stock/*.ko:'
	@echo 'your own instead of Debian'"'"'s. ACCEL=tcg|icount|kvm|bochs SMP= MEM= TIMEOUT= for the machine.'

clean:
	rm -rf '$(O)'

# The machine and its kernel. Included, so that make knows KVER, KDIR, SRC and IMAGE.

ifneq ($(filter-out help clean patchstat tree uninstall,$(or $(MAKECMDGOALS),all)),)
include $(O)/config.mk
endif

$(O)/packages: scripts/packages scripts/setup
	@mkdir -p $(O)
	@scripts/setup
	@touch $@

# Asked each time: it returns at once when the question is the same as before.
$(O)/config.mk: $(O)/packages FORCE
	@O='$(O)' $(asked) scripts/kernel
FORCE:

$(O)/qemu/qemu: scripts/qemu | $(O)/packages
	@O='$(O)' scripts/qemu
	@touch -h $@

# Modules

kernel := $(shell find kernel include/uapi -not -name '.*' 2>/dev/null)
# Two makes may share $(O): neither is to change what the other compiles.
locked = flock $(O)/lock
MODULES := kvm kvm-amd kvm-intel

modules: $(O)/modules/.built

$(O)/kvm/.staged: $(kernel) scripts/stage scripts/apply scripts/module.mk $(O)/config.mk
	@O='$(O)' SRC='$(SRC)' $(locked) scripts/stage
	@touch $@

$(O)/modules/.built: $(O)/kvm/.staged scripts/layout
	+@$(locked) $(MAKE) $(JOBS) -C $(KDIR) M=$(O)/kvm/arch/x86/kvm modules
	@scripts/layout $(KDIR)/vmlinux $(O)/kvm/arch/x86/kvm/kvm.ko
	@mkdir -p $(O)/modules
	@for m in $(MODULES); do \
		objcopy --strip-debug $(O)/kvm/arch/x86/kvm/$$m.ko $(O)/modules/$$m.ko || exit; \
		readelf -SW $(O)/modules/$$m.ko | grep -q ' \.BTF ' || \
			{ echo "modules: no .BTF in $$m.ko: is pahole there, and vmlinux in $(KDIR)?" >&2; exit 1; }; \
	done
	@touch $@

# libbpf and bpftool, of the same source: Debian 12's know no struct_ops in modules, and bpftool
# has a patch of ours. The features left out would link LLVM or need the BTF of this machine.

tools: $(O)/lib/libbpf.a $(O)/bin/bpftool

$(O)/lib/libbpf.a: $(O)/config.mk
	@mkdir -p $(O)/libbpf $(O)/lib
	@echo '  LIBBPF'
	@$(MAKE) $(JOBS) -s -C $(SRC)/tools/lib/bpf OUTPUT=$(O)/libbpf/ DESTDIR=$(O) prefix= \
		install_headers $(O)/libbpf/libbpf.a
	@cp $(O)/libbpf/libbpf.a $@

bpftool_patches := $(wildcard scripts/bpftool/*.patch)

$(O)/bpftool-src/.patched: $(O)/config.mk $(bpftool_patches)
	@rm -rf $(@D) && mkdir -p $(@D)
	@cd $(SRC) && rsync -aR tools kernel/bpf scripts $(@D)/
	@for p in $(bpftool_patches); do patch -s -d $(@D) -p1 -F0 <$$p || exit; done
	@touch $@

$(O)/bin/bpftool: $(O)/bpftool-src/.patched
	@mkdir -p $(O)/bpftool $(O)/bin
	@echo '  BPFTOOL'
	@$(MAKE) $(JOBS) -s -C $(<D)/tools/bpf/bpftool OUTPUT=$(O)/bpftool/ feature-llvm=0 feature-libbfd=0 \
		feature-libcap=0 feature-clang-bpf-co-re=0 >/dev/null
	@cp $(O)/bpftool/bpftool $@

# Policies, one object a file

headers := $(wildcard include/*.h include/uapi/linux/*.h)

# clang has no <asm/types.h> for BPF; this machine's will do.
export BPF_SYS_INCLUDE := -idirafter /usr/include/$(shell uname -m)-linux-gnu

POLICIES := $(patsubst bpf/%.bpf.c,$(O)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))

policies: $(POLICIES)

$(O)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) $(headers) $(O)/lib/libbpf.a
	@mkdir -p $(O)/bpf
	@echo '  POLICY  $*'
	@clang -g -O2 -Wall -Wextra -Wno-unused-parameter -Werror -target bpf -mcpu=v3 \
		-D__TARGET_ARCH_x86 -Iinclude -Iinclude/uapi -I$(O)/include $(BPF_SYS_INCLUDE) -c $< -o $@
	@llvm-strip -g $@

# planectl

loader: $(if $(wildcard loader/*.c),$(O)/bin/planectl)

$(O)/bin/planectl: $(wildcard loader/*.c loader/*.h) $(headers) $(O)/lib/libbpf.a
	@mkdir -p $(O)/bin
	@echo '  LOADER  planectl'
	@$(CC) -O2 -g -Wall -Wextra -Werror -Iinclude -Iinclude/uapi -I$(O)/include \
		-o $@ $(filter loader/%.c,$^) $(O)/lib/libbpf.a -lelf -lz

# Tests, and the machine to run them in

selftests: modules tools policies loader
	@[ ! -e selftests/Makefile ] || $(MAKE) -C selftests O='$(O)'

check: all $(O)/kvm-selftests/.built
	@O='$(O)' selftests/tests/run

check-intel: all
	@O='$(O)' ACCEL=bochs selftests/tests/run

check-kvm: all $(O)/kvm-selftests/.built
	@O='$(O)' selftests/kvm/run

$(O)/kvm-selftests/.built: scripts/kvm-selftests $(O)/config.mk
	@O='$(O)' SRC='$(SRC)' scripts/kvm-selftests
	@touch $@

# The policy as a module's functions, for the benchmark.
native := $(O)/selftests/vtl_native.ko

$(native): $(wildcard selftests/bench/native/*) bpf/vtl.bpf.c $(headers) $(O)/modules/.built $(O)/bin/bpftool
	+@O='$(O)' KDIR='$(KDIR)' $(locked) selftests/bench/native/build

bench: all $(native)
	@O='$(O)' selftests/bench/run

bench-plot:
	@O='$(O)' selftests/bench/bench-plot docs/bench.svg

bench-off: all
	@O='$(O)' selftests/bench/run-off

profile: all $(native)
	@O='$(O)' ROW='$(ROW)' selftests/bench/run-profile

demo: all
	@O='$(O)' PERSONALITY='$(PERSONALITY)' selftests/demo/run

vm: all
	@O='$(O)' selftests/vm/run --shell

# Patches

lint: $(O)/config.mk
	@SRC='$(SRC)' scripts/lint

patchstat:
	@scripts/patchstat

tree:
	@[ -f '$(LINUX)/virt/kvm/kvm_main.c' ] || { echo 'make tree LINUX=<dir of a 6.12 kernel tree>' >&2; exit 1; }
	@scripts/apply '$(LINUX)'

# A real machine. depmod prefers updates/, so going back is removing what is there.

UPDATES = $(INSTALL_MOD_PATH)/lib/modules/$(KVER)/updates

modules_install: modules
	@install -D -m 644 -t '$(UPDATES)' $(MODULES:%=$(O)/modules/%.ko)
	@depmod $(if $(INSTALL_MOD_PATH),-b '$(INSTALL_MOD_PATH)') $(KVER)
	@echo 'installed to $(UPDATES); to use: modprobe -r kvm-amd kvm-intel kvm, then modprobe again'

modules_uninstall:
	@rm -f $(MODULES:%='$(UPDATES)/%.ko')
	@depmod $(if $(INSTALL_MOD_PATH),-b '$(INSTALL_MOD_PATH)') $(KVER)

# planectl finds policies beside where it is: ../lib/planeswitch.

PREFIX ?= /usr/local
ROOT = $(DESTDIR)$(PREFIX)
MAN = $(ROOT)/share/man/man8
COMPLETIONS = $(ROOT)/share/bash-completion/completions

install: loader policies
	@install -D -t '$(ROOT)/sbin' $(O)/bin/planectl
	@install -D -m 644 -t '$(ROOT)/lib/planeswitch' $(POLICIES)
	@install -D -m 644 -t '$(ROOT)/include' $(wildcard include/*.h)
	@install -D -m 644 -t '$(ROOT)/include/linux' $(wildcard include/uapi/linux/*.h)
	@install -D -m 644 -t '$(MAN)' loader/planectl.8
	@install -D -m 644 -t '$(ROOT)/share/doc/planeswitch' $(wildcard docs/*.md)
	@install -D -m 644 loader/planectl.bash '$(COMPLETIONS)/planectl'

uninstall:
	@rm -f '$(ROOT)/sbin/planectl' '$(MAN)/planectl.8' '$(COMPLETIONS)/planectl'
	@rm -f $(patsubst include/%,'$(ROOT)/include/%',$(wildcard include/*.h))
	@rm -f $(patsubst include/uapi/%,'$(ROOT)/include/%',$(wildcard include/uapi/linux/*.h))
	@rm -rf '$(ROOT)/lib/planeswitch' '$(ROOT)/share/doc/planeswitch'
