# What arch/x86/kvm needs to build as an external module and does not need in a kernel tree.
# scripts/stage copies this next to the staged arch/x86/kvm/Makefile and includes it there.

staged := $(src)/../../..

# TRACE_INCLUDE_PATH of arch/x86/kvm/trace.h is relative to virt/kvm.
ccflags-y += -I $(staged)/virt/kvm

# Our headers, and stock ones as we patched them, hide those of the headers package. -I in
# ccflags-y would come after it.
LINUXINCLUDE := -I$(staged)/arch/x86/include -I$(staged)/include \
		-I$(staged)/arch/x86/include/uapi -I$(staged)/include/uapi $(LINUXINCLUDE)

# Options that the stock kernel leaves off and our modules want: one -DCONFIG_...=1 a line.
# The whole kernel is not rebuilt, so only code inside the modules may depend on them.
ccflags-y +=
