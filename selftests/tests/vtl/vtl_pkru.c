// SPDX-License-Identifier: GPL-2.0
/*
 * The FPU is one for all VTLs, but PKRU, which XSAVE saves with it, is not.
 */
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define CR4_PKE		(1UL << 22)
#define CPUID_7_ECX_PKU	(1U << 3)

/* Key 0 stays open: all pages have it. */
#define PKRU_KEYS	0xfffffffcU
#define ROUNDS		50

static __u64 random = 1;

static __u32 rdpkru(void)
{
	__u32 pkru, edx;

	asm volatile("rdpkru" : "=a"(pkru), "=d"(edx) : "c"(0));
	return pkru;
}

static void wrpkru(__u32 pkru)
{
	asm volatile("wrpkru" : : "a"(pkru), "c"(0), "d"(0) : "memory");
}

static void vtl0(void)
{
	__u32 pkru;
	int i;

	vtl_enable();
	write_cr4(read_cr4() | CR4_PKE);
	for (i = 0; i < ROUNDS; i++) {
		pkru = guest_random(&random) & PKRU_KEYS;
		wrpkru(pkru);
		vtl_call();
		GUEST_ASSERT_EQ(rdpkru(), pkru);
		guest_sync(0);
		GUEST_ASSERT_EQ(rdpkru(), pkru);
	}
	guest_done();
}

static void vtl1(void)
{
	__u32 pkru;

	vtl_enable();
	write_cr4(read_cr4() | CR4_PKE);
	for (;;) {
		pkru = guest_random(&random) & PKRU_KEYS;
		wrpkru(pkru);
		guest_sync(0);
		vtl_return(HV_VTL_RETURN_FAST);
		GUEST_ASSERT_EQ(rdpkru(), pkru);
	}
}

static void pkru(enum test_how how)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct vtl_test t;

	vtl_test_start(&t, how, 2, entry);
	if (!(vm_cpuid(t.vm, 7, 0)->ecx & CPUID_7_ECX_PKU))
		skip("no protection keys");
	vtl_test_run_to_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("each VTL has a PKRU of its own", pkru),
	{ }
};
