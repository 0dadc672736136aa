/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A service module (SVSM) for tests and the demo: code in VMPL 0 that creates VMPL 2 and answers
 * its calls.
 *
 * It answers the core protocol's query and remapping of the calling area, and an example of a
 * service: a counter, whose values it seals with a key that VMPL 2 cannot read.
 */
#ifndef SVSM_H
#define SVSM_H

#include "vmpl_guest.h"
#include "vmpl_switch.h"

#define SVSM_VMPL		2	/* the guest's */

/*
 * The example's protocol. COUNT: RCX is a number; adds one to the counter, which is in RCX then,
 * and in RDX the seal of both. CHECK: number, counter and seal in RCX, RDX and R8; is it one?
 */
#define SVSM_SEAL		0x504c
#define SVSM_SEAL_COUNT		0
#define SVSM_SEAL_CHECK		1
#define SVSM_SEAL_WRONG		SVSM_PROTOCOL_RESULT

/* Each protocol has this version only. */
#define SVSM_VERSION		1

/* What a real guest finds in its secrets page */
struct svsm_secrets {
	__u64 svsm_base;
	__u64 svsm_size;
	__u64 svsm_caa;
	__u32 svsm_max_version;
	__u8 svsm_guest_vmpl;
};

extern struct svsm_secrets svsm_secrets;

/* What it keeps to itself; the VMM, here, may look. */
struct svsm_private {
	__u64 key;
	__u64 counter;
	struct svsm_ca *ca;
} __attribute__((aligned(4096)));

extern struct svsm_private svsm_private;

/* What SVSM_SEAL_COUNT has in RDX */
__u64 svsm_seal(__u64 key, __u64 number, __u64 counter);

/* The VMM: let VMPL 0 be the SVSM, and VMPL 2 start at @guest when that creates it. */
void svsm_start(struct vmpl *vmpl, guest_code_t guest);

#endif /* SVSM_H */
