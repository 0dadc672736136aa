// SPDX-License-Identifier: GPL-2.0
/*
 * With the distribution's KVM, a VMM that wants planes says what is missing.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "test.h"

#define VTL_VMM	"../vtl-vmm"

/* Of a file that does not exist or a KVM that has planes there is nothing to say. */
static int open_stock_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		skip("no /dev/kvm");
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE) > 0)
		skip("this KVM has planes");
	return kvm;
}

static void capabilities(enum test_how how)
{
	int kvm = open_stock_kvm();
	int vm = vm_ioctl(kvm, KVM_CREATE_VM, 0);

	ASSERT_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE), 0);
	ASSERT_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_SWITCH), 0);
	ASSERT_EQ(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE), 0);
	ASSERT_EQ(vm_enable_cap(vm, KVM_CAP_PLANE_SWITCH, -1, 0, 0), -1);
	ASSERT_EQ(ioctl(vm, KVM_CREATE_PLANE, 1), -1);
}

static void message(enum test_how how)
{
	char text[1024];
	FILE *out;
	size_t n;

	open_stock_kvm();
	out = popen(VTL_VMM " 2>&1", "r");
	ASSERT(out);
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = 0;
	note("%s", text);
	ASSERT(pclose(out));
	ASSERT(strstr(text, "no kernel support for planes in this KVM"));
}

const struct test tests[] = {
	TEST("the distribution's KVM says that it has no planes", capabilities),
	TEST("a VMM that wants planes says \"no kernel support\"", message),
	{ }
};
