/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest with VMPLs and its hypervisor agree on.
 *
 * AMD APM volume 2, appendix B, and the GHCB specification (publication 56421), of which this
 * is what a software VMPL machine has: the protocol is theirs, but no memory is encrypted and
 * there is no RMP. A VMSA is a page that the VMM reads once, to load registers from.
 */
#ifndef GHCB_H
#define GHCB_H

#include <assert.h>
#include <linux/types.h>

#define GHCB_MSR			0xc0010130

/* The MSR protocol: a request, or the answer to it, in bits 11:0 of the MSR */
#define GHCB_MSR_INFO			0xfffULL
#define GHCB_MSR_RUN_VMPL		0x016
#define GHCB_MSR_RUN_VMPL_ANSWER	0x017
#define GHCB_MSR_FEATURES		0x080
#define GHCB_MSR_FEATURES_ANSWER	0x081
#define GHCB_MSR_VMPL_SHIFT		32	/* of 0x016: bits 39:32 */
#define GHCB_MSR_ERROR_SHIFT		32	/* of 0x017: bits 63:32 */
#define GHCB_MSR_FEATURES_SHIFT		12	/* of 0x081: bits 63:12 */

#define GHCB_FEATURE_AP_CREATION	(1ULL << 1)
#define GHCB_FEATURE_RESTRICTED_INJECTION	(1ULL << 2)
#define GHCB_FEATURE_MULTI_VMPL		(1ULL << 5)

/* With a GHCB page: sw_exit_code */
#define GHCB_AP_CREATE			0x80000013ULL
#define GHCB_HV_DOORBELL		0x80000014ULL
#define GHCB_RUN_VMPL			0x80000018ULL
#define GHCB_HV_FEATURES		0x8000fffdULL

/* What sw_exit_info_1 of GHCB_AP_CREATE has */
#define GHCB_AP_CREATE_ON_INIT		0
#define GHCB_AP_CREATE_NOW		1
#define GHCB_AP_DESTROY			2
#define GHCB_AP_REQUEST			0xffffULL
#define GHCB_AP_VMPL_SHIFT		16	/* bits 19:16 */
#define GHCB_AP_APIC_ID_SHIFT		32	/* bits 63:32 */

/* What sw_exit_info_1 of GHCB_HV_DOORBELL has */
#define GHCB_DOORBELL_PREFERRED		0
#define GHCB_DOORBELL_SET		1
#define GHCB_DOORBELL_QUERY		2
#define GHCB_DOORBELL_CLEAR		3

/* An answer: sw_exit_info_1, and if it is the second, why in sw_exit_info_2 */
#define GHCB_OK				0
#define GHCB_MALFORMED			2
#define GHCB_WRONG_USAGE		2
#define GHCB_MISSING_INPUT		4
#define GHCB_INVALID_INPUT		5
#define GHCB_INVALID_EVENT		6

struct ghcb {
	__u8 reserved1[0x1f8];
	__u64 rax;			/* 0x1f8 */
	__u8 reserved2[0x390 - 0x200];
	__u64 sw_exit_code;		/* 0x390 */
	__u64 sw_exit_info_1;
	__u64 sw_exit_info_2;
	__u64 sw_scratch;
	__u8 reserved3[0x3f0 - 0x3b0];
	__u64 valid_bitmap[2];		/* 0x3f0 */
	__u8 reserved4[0xffa - 0x400];
	__u16 version;			/* 0xffa */
	__u32 usage;			/* 0xffc */
} __attribute__((aligned(4096)));

static_assert(sizeof(struct ghcb) == 4096, "a GHCB is a page");

/* The bits of valid_bitmap[0] and [1]: one for each of the first 128 quadwords */
#define GHCB_VALID(field)	(1ULL << __builtin_offsetof(struct ghcb, field) / 8 % 64)
#define GHCB_VALID_0		GHCB_VALID(rax)
#define GHCB_VALID_CODE		GHCB_VALID(sw_exit_code)
#define GHCB_VALID_INFO		(GHCB_VALID(sw_exit_info_1) | GHCB_VALID(sw_exit_info_2))
#define GHCB_VALID_1		(GHCB_VALID_CODE | GHCB_VALID_INFO)

/* The doorbell page of restricted injection */
struct ghcb_doorbell {
	__u8 vector;
	__u8 flags;
	__u8 no_eoi_required;
	__u8 reserved[4093];
} __attribute__((aligned(4096)));

#define GHCB_DOORBELL_NMI		(1 << 0)
#define GHCB_DOORBELL_MC		(1 << 1)
#define GHCB_DOORBELL_NO_FURTHER_SIGNAL	(1 << 7)
#define X86_HV				28

struct vmsa_segment {
	__u16 selector;
	__u16 attrib;			/* bits 55:52 and 47:40 of a descriptor */
	__u32 limit;
	__u64 base;
};

/* The VMSA, in the layout of the real one. Of gpr, by number, RAX and RSP are elsewhere. */
struct vmsa {
	struct vmsa_segment es;
	struct vmsa_segment cs;
	struct vmsa_segment ss;
	struct vmsa_segment ds;
	struct vmsa_segment fs;
	struct vmsa_segment gs;
	struct vmsa_segment gdtr;
	struct vmsa_segment ldtr;
	struct vmsa_segment idtr;
	struct vmsa_segment tr;
	__u8 reserved1[0xca - 0xa0];
	__u8 vmpl;			/* 0xca */
	__u8 cpl;
	__u32 reserved2;
	__u64 efer;			/* 0xd0 */
	__u8 reserved3[0x148 - 0xd8];
	__u64 cr4;			/* 0x148 */
	__u64 cr3;
	__u64 cr0;
	__u64 dr7;
	__u64 dr6;
	__u64 rflags;
	__u64 rip;			/* 0x178 */
	__u64 dr[4];
	__u8 reserved4[0x1d8 - 0x1a0];
	__u64 rsp;			/* 0x1d8 */
	__u8 reserved5[0x1f8 - 0x1e0];
	__u64 rax;			/* 0x1f8 */
	__u64 star;
	__u64 lstar;
	__u64 cstar;
	__u64 sfmask;
	__u64 kernel_gs_base;
	__u64 sysenter_cs;
	__u64 sysenter_esp;
	__u64 sysenter_eip;
	__u64 cr2;			/* 0x240 */
	__u8 reserved6[0x268 - 0x248];
	__u64 g_pat;			/* 0x268 */
	__u8 reserved7[0x300 - 0x270];
	__u64 gpr[16];			/* 0x300 */
	__u8 reserved8[0x3b0 - 0x380];
	__u64 sev_features;		/* 0x3b0 */
	__u8 reserved9[0x3e8 - 0x3b8];
	__u64 xcr0;			/* 0x3e8 */
	__u8 reserved10[0x408 - 0x3f0];
	__u32 mxcsr;			/* 0x408 */
	__u16 x87_ftw;
	__u16 x87_fsw;
	__u16 x87_fcw;			/* 0x410 */
	__u8 reserved11[0x1000 - 0x412];
} __attribute__((aligned(4096)));

static_assert(sizeof(struct vmsa) == 4096, "a VMSA is a page");
static_assert(__builtin_offsetof(struct vmsa, rflags) == 0x170, "APM volume 2, table B-4");
static_assert(__builtin_offsetof(struct vmsa, xcr0) == 0x3e8, "APM volume 2, table B-4");

/* No VMSA runs without it. */
#define EFER_SVME		(1ULL << 12)

#endif /* GHCB_H */
