/* What the stages of relay.c share: what is known of a datagram, what becomes of
 * it, and the maps, which Go fills. */
#ifndef RELAY_H
#define RELAY_H
#include "kernel.h"

#define V4 4
#define V6 6

/* NO_LEG is in the place of a leg that is not there. */
#define NO_LEG 0xffffffffU

/* MAX_MOVED_BYTES is the most data that are moved: more than a channel of pion
 * carries (1600 bytes). */
#define MAX_MOVED_BYTES 2048

/* An IPv4 address is the first word; the others are 0. */
struct address {
	__be32 word[4];
};

/* A key is what a datagram is known by when it comes. */
struct key {
	struct address from, to;
	__be16 from_port, to_port;
	__be16 channel; /* 0: the datagram is a peer's */
	__u16 family;	/* V4 or V6 */
};

/* A leg is one way of one channel. */
struct leg {
	__u32 count;  /* where in counts */
	__u32 bucket; /* where in buckets: that of the allocation */
};

/* A step is what becomes of it. */
struct step {
	struct address from, to;
	struct address next; /* the neighbour that it is handed to */
	__be16 from_port, to_port;
	__be16 channel; /* 0: without a header */
	__u8 family;
	__u8 next_family;
	__u32 ifindex;
	__u32 mtu;
	struct leg legs[2]; /* the second one of a datagram from relay to relay */
};

/* A count is what a leg has carried since the program was loaded. */
struct count {
	__u64 packets;
	__u64 bytes;	/* of data, without headers */
	__u64 limited;	/* packets that the bitrate has dropped */
	__u64 lost;	/* packets for which there was no memory */
};

/* The settings of all. */
struct settings {
	__u64 bitrate; /* bits a second; 0: no limit */
	__u64 burst;   /* nanoseconds of it that may pass at once */
	__u8 ttl, hop_limit;
	__u8 zero[6];
};

/* The sizes of these maps are Go's to set. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct key);
	__type(value, struct step);
} steps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

/* A bucket is the moment when it will be full again, as in turnsvc. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} configured SEC(".maps");

struct data {
	__u8 byte[MAX_MOVED_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct data);
} moved SEC(".maps");

struct channel_header {
	__be16 number;
	__be16 length;
};

/* A packet is what has been read. */
struct packet {
	struct key key;
	__u32 ip_bytes;	 /* of the IP header */
	__u32 all_bytes; /* of the IP packet */
	__u32 bytes;	 /* of data */
	__be16 udp_len;
	__u16 check;
	__be16 length;	/* of ChannelData's header */
	__u16 padding;	/* sum of the bytes behind its data */
	__u8 class;	/* TOS, traffic class */
	__u8 padded;
};

/* Headers as they are sent. */
struct headers4 {
	struct iphdr ip;
	struct udphdr udp;
	struct channel_header channel;
};

struct headers6 {
	struct ipv6hdr ip;
	struct udphdr udp;
	struct channel_header channel;
};

/* ---- lengths of what is sent ---- */

inlined __u32 ip_bytes(const struct step *s)
{
	return s->family == V4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

inlined __u32 udp_bytes(const struct step *s, const struct packet *p)
{
	return sizeof(struct udphdr) + (s->channel ? sizeof(struct channel_header) : 0) + p->bytes;
}

/* ---- checksums: sums of 16 bits in the order of memory (RFC 1071) ---- */

inlined __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

inlined __u64 sum_address(const struct address *a)
{
	return (__u64)a->word[0] + a->word[1] + a->word[2] + a->word[3];
}

inlined __u16 sum_header(const struct iphdr *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < sizeof(*ip) / 2; i++)
		sum += word[i];
	return fold(sum);
}

#endif
