//go:build ignore

/* The data of bound channels, from the network card and back to it.
 *
 *   1 read     an Ethernet frame with a whole UDP datagram for this machine
 *   2 find     its step, by who sends it to whom and in which channel
 *   3 measure  it fits where it goes, and into the bitrate
 *   4 rewrite  ChannelData's header away or there, new addresses, checksum
 *   5 send     to the next hop
 *
 * Whatever is not so goes on to user space as it came, up to 3. From 4 on it is
 * changed, and can only be sent or lost; legs count both.
 *
 * The kernel keeps a checksum in one of two ways, and does not say which:
 *
 *   whole    as on the wire. It is corrected by what changes (RFC 1624): what
 *            was damaged stays so. The headers are moved towards the data.
 *   partial  of the pseudo header alone; the card, or nobody if the way ends on
 *            this machine, adds the rest from the UDP header on. Where that is
 *            the kernel has noted as a place in memory: so there the UDP header
 *            stays, and the data are moved. The kernel corrects the sum.
 *
 * A whole sum may look like a partial one by chance; what is done for a partial
 * one is right for it, too. */
#include "kernel.h"

char _license[] SEC("license") = "Dual MIT/GPL";

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

/* ---- 1 read ---- */

/* linear makes the first bytes of the frame readable, if there are so many. */
inlined int linear(struct __sk_buff *skb, __u32 bytes)
{
	if ((__u64)skb->data + bytes <= (__u64)skb->data_end)
		return 1;
	return skb->len >= bytes && bpf_skb_pull_data(skb, bytes) == 0;
}

/* read_udp wants a datagram that fills its packet. A checksum of 0 is none,
 * which only IPv4 permits. */
inlined int read_udp(struct __sk_buff *skb, const struct udphdr *udp, struct packet *p)
{
	p->udp_len = udp->len;
	p->check = udp->check;
	p->key.from_port = udp->source;
	p->key.to_port = udp->dest;
	p->bytes = be16(udp->len) - sizeof(*udp);
	return be16(udp->len) >= sizeof(*udp) && be16(udp->len) == p->all_bytes - p->ip_bytes &&
	       ETH_HLEN + p->all_bytes <= skb->len && (p->check || p->key.family == V4);
}

inlined int read_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr *ip;
	struct udphdr *udp;

	if (!linear(skb, ETH_HLEN + sizeof(*ip) + sizeof(*udp)))
		return 0;
	ip = (void *)(__u64)skb->data + ETH_HLEN;
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > (void *)(__u64)skb->data_end)
		return 0;
	/* no options, no fragment, and what the kernel would not drop */
	if (ip->version_ihl != 0x45 || ip->protocol != IPPROTO_UDP || ip->frag_off & be16(IP_MF | IP_OFFSET) || sum_header(ip) != 0xffff)
		return 0;
	p->key.family = V4;
	p->key.from.word[0] = ip->saddr;
	p->key.to.word[0] = ip->daddr;
	p->ip_bytes = sizeof(*ip);
	p->all_bytes = be16(ip->tot_len);
	p->class = ip->tos;
	return read_udp(skb, udp, p);
}

inlined int read_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6hdr *ip;
	struct udphdr *udp;

	if (!linear(skb, ETH_HLEN + sizeof(*ip) + sizeof(*udp)))
		return 0;
	ip = (void *)(__u64)skb->data + ETH_HLEN;
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > (void *)(__u64)skb->data_end)
		return 0;
	/* no extension header: fragments have one */
	if ((be32(ip->version_class_flow) >> 28) != 6 || ip->nexthdr != IPPROTO_UDP)
		return 0;
	p->key.family = V6;
	__builtin_memcpy(&p->key.from, ip->saddr, sizeof(p->key.from));
	__builtin_memcpy(&p->key.to, ip->daddr, sizeof(p->key.to));
	p->ip_bytes = sizeof(*ip);
	p->all_bytes = sizeof(*ip) + be16(ip->payload_len);
	p->class = be32(ip->version_class_flow) >> 20;
	return read_udp(skb, udp, p);
}

/* read_channel reads the header of ChannelData (RFC 8656 12.4), if that is what
 * the datagram seems to be. Up to three bytes of padding may follow the data. */
inlined int read_channel(struct __sk_buff *skb, struct packet *p)
{
	__u32 at = ETH_HLEN + p->ip_bytes + sizeof(struct udphdr);
	struct channel_header header;
	__u32 length, padded;
	__u8 pad[4] = {};

	if (p->bytes < sizeof(header) || bpf_skb_load_bytes(skb, at, &header, sizeof(header)))
		return 0;
	length = be16(header.length);
	padded = p->bytes - sizeof(header) - length;
	if ((be16(header.number) >> 12) != 4 || length > p->bytes - sizeof(header) || padded > (-length & 3))
		return 0;
	if (padded) {
		at += sizeof(header) + length;
		if (padded == 3 ? bpf_skb_load_bytes(skb, at, pad, 3) : padded == 2 ? bpf_skb_load_bytes(skb, at, pad, 2) : bpf_skb_load_bytes(skb, at, pad, 1))
			return 0;
		p->padding = fold((__u64)*(__u16 *)pad + *(__u16 *)(pad + 2));
		if (length & 1) /* its bytes are the other ones of their words */
			p->padding = __builtin_bswap16(p->padding);
		p->padded = padded;
	}
	p->key.channel = header.number;
	p->length = header.length;
	p->bytes = length;
	return 1;
}

/* ---- 2 find ---- */

inlined struct step *find(struct __sk_buff *skb, struct packet *p)
{
	struct step *s;
	__u32 bytes;

	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size)
		return 0;
	if (skb->protocol == be16(ETH_P_IP)) {
		if (!read_ipv4(skb, p))
			return 0;
	} else if (skb->protocol != be16(ETH_P_IPV6) || !read_ipv6(skb, p)) {
		return 0;
	}
	bytes = p->bytes;
	if (read_channel(skb, p)) {
		s = bpf_map_lookup_elem(&steps, &p->key);
		if (s)
			return s;
		p->key.channel = 0; /* a peer may send what looks like ChannelData */
		p->length = 0;
		p->padding = 0;
		p->padded = 0;
		p->bytes = bytes;
	}
	return bpf_map_lookup_elem(&steps, &p->key);
}

/* ---- 3 measure ---- */

inlined __u32 ip_bytes(const struct step *s)
{
	return s->family == V4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

inlined __u32 udp_bytes(const struct step *s, const struct packet *p)
{
	return sizeof(struct udphdr) + (s->channel ? sizeof(struct channel_header) : 0) + p->bytes;
}

/* take is bucket.take of turnsvc. */
inlined int take(const struct leg *leg, const struct settings *set, __u64 bytes, __u64 now)
{
	__u64 *full = bpf_map_lookup_elem(&buckets, &leg->bucket);
	__u64 before, after;

	if (!full)
		return 0;
#pragma unroll
	for (int tries = 0; tries < 4; tries++) {
		before = *(volatile __u64 *)full;
		after = (before > now ? before : now) + bytes * 8 * 1000000000ULL / set->bitrate;
		if (after > now + set->burst)
			return 0;
		if (__sync_val_compare_and_swap(full, before, after) == before)
			return 1;
	}
	return 1; /* four others were quicker: this one is free */
}

inlined struct count *count_of(const struct leg *leg)
{
	return bpf_map_lookup_elem(&counts, &leg->count);
}

/* within reports whether the bitrate lets the data pass, on both legs. */
inlined int within(const struct step *s, const struct settings *set, __u32 bytes)
{
	struct count *c;
	__u64 now;

	if (!set->bitrate)
		return 1;
	now = bpf_ktime_get_ns();
#pragma unroll
	for (int i = 0; i < 2; i++) {
		if (s->legs[i].count == NO_LEG || take(&s->legs[i], set, bytes, now))
			continue;
		c = count_of(&s->legs[i]);
		if (c)
			__sync_fetch_and_add(&c->limited, 1);
		return 0;
	}
	return 1;
}

inlined void note(const struct step *s, __u32 bytes)
{
	struct count *c;

#pragma unroll
	for (int i = 0; i < 2; i++) {
		if (s->legs[i].count == NO_LEG)
			continue;
		c = count_of(&s->legs[i]);
		if (c) {
			__sync_fetch_and_add(&c->packets, 1);
			__sync_fetch_and_add(&c->bytes, bytes);
		}
	}
}

inlined void note_loss(const struct step *s)
{
	struct count *c = count_of(&s->legs[0]);

	if (c)
		__sync_fetch_and_add(&c->lost, 1);
}

/* ---- 4 rewrite ---- */

/* A change is what the checksum of UDP does not see any more, and what it sees
 * instead: in the pseudo header, and behind. */
struct change {
	__u16 pseudo, rest;
};

inlined struct change change(const struct packet *p, const struct step *s)
{
	__be16 len = be16(udp_bytes(s, p));
	__u16 pseudo = ~fold(sum_address(&p->key.from) + sum_address(&p->key.to) + p->udp_len);
	__u16 rest = ~fold((__u64)p->key.from_port + p->key.to_port + p->udp_len + p->key.channel + p->length + p->padding);

	return (struct change){
		.pseudo = fold(pseudo + sum_address(&s->from) + sum_address(&s->to) + len),
		.rest = fold((__u64)rest + s->from_port + s->to_port + len + s->channel + (s->channel ? be16(p->bytes) : 0)),
	};
}

/* looks_partial reports whether the checksum may be that of the pseudo header
 * alone. It is not 0. */
inlined int looks_partial(const struct packet *p)
{
	return p->check == fold(sum_address(&p->key.from) + sum_address(&p->key.to) + be16(IPPROTO_UDP) + p->udp_len);
}

inlined __u16 corrected(const struct packet *p, struct change c)
{
	__u16 check;

	if (!p->check)
		return 0;
	check = ~fold((__u64)(__u16)~p->check + c.pseudo + c.rest);
	return check ? check : 0xffff;
}

/* turn changes the family of the packet, between its link header and its UDP
 * header, which both stay as they are. */
inlined long turn(struct __sk_buff *skb, const struct packet *p, const struct step *s)
{
	if (s->family == p->key.family)
		return 0;
	return bpf_skb_change_proto(skb, s->family == V4 ? be16(ETH_P_IP) : be16(ETH_P_IPV6), 0);
}

inlined void fill_udp(struct udphdr *udp, struct channel_header *channel, const struct packet *p, const struct step *s, __u16 check)
{
	udp->source = s->from_port;
	udp->dest = s->to_port;
	udp->len = be16(udp_bytes(s, p));
	udp->check = check;
	channel->number = s->channel;
	channel->length = be16(p->bytes);
}

/* put writes the headers. Without a check it leaves that of the packet, for which
 * the header of ChannelData must not be behind it in one piece. */
inlined long put4(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set, __u16 check, int whole)
{
	struct headers4 h = {};

	h.ip.version_ihl = 0x45;
	h.ip.tos = p->class;
	h.ip.tot_len = be16(sizeof(h.ip) + udp_bytes(s, p));
	h.ip.id = bpf_get_prandom_u32(); /* who forwards it may fragment it */
	h.ip.ttl = set->ttl;
	h.ip.protocol = IPPROTO_UDP;
	h.ip.saddr = s->from.word[0];
	h.ip.daddr = s->to.word[0];
	h.ip.check = ~sum_header(&h.ip);
	fill_udp(&h.udp, &h.channel, p, s, check);
	if (whole && s->channel)
		return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), BPF_F_RECOMPUTE_CSUM);
	if (whole)
		return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h.ip) + sizeof(h.udp), BPF_F_RECOMPUTE_CSUM);
	if (s->channel && bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(h.ip) + sizeof(h.udp), &h.channel, sizeof(h.channel), BPF_F_RECOMPUTE_CSUM))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h.ip) + sizeof(h.udp) - sizeof(h.udp.check), BPF_F_RECOMPUTE_CSUM);
}

inlined long put6(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set, __u16 check, int whole)
{
	struct headers6 h = {};

	h.ip.version_class_flow = be32(6U << 28 | (__u32)p->class << 20);
	h.ip.payload_len = be16(udp_bytes(s, p));
	h.ip.nexthdr = IPPROTO_UDP;
	h.ip.hop_limit = set->hop_limit;
	__builtin_memcpy(h.ip.saddr, &s->from, sizeof(h.ip.saddr));
	__builtin_memcpy(h.ip.daddr, &s->to, sizeof(h.ip.daddr));
	fill_udp(&h.udp, &h.channel, p, s, check);
	if (whole && s->channel)
		return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), BPF_F_RECOMPUTE_CSUM);
	if (whole)
		return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h.ip) + sizeof(h.udp), BPF_F_RECOMPUTE_CSUM);
	if (s->channel && bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(h.ip) + sizeof(h.udp), &h.channel, sizeof(h.channel), BPF_F_RECOMPUTE_CSUM))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h.ip) + sizeof(h.udp) - sizeof(h.udp.check), BPF_F_RECOMPUTE_CSUM);
}

inlined long put(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set, __u16 check, int whole)
{
	return s->family == V4 ? put4(skb, p, s, set, check, whole) : put6(skb, p, s, set, check, whole);
}

/* header_growth is by how much the header of ChannelData makes it longer. */
inlined __s32 header_growth(const struct packet *p, const struct step *s)
{
	__s32 before = p->key.channel ? sizeof(struct channel_header) : 0;
	__s32 after = s->channel ? sizeof(struct channel_header) : 0;

	return after - before;
}

/* rewrite_whole moves the headers towards the data, or away from them. */
inlined long rewrite_whole(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set)
{
	__s32 growth = header_growth(p, s);

	if (turn(skb, p, s) || (growth && bpf_skb_adjust_room(skb, growth, BPF_ADJ_ROOM_MAC, 0)))
		return -1;
	return put(skb, p, s, set, corrected(p, change(p, s)), 1);
}

/* move moves the data, between places in the frame. */
inlined long move(struct __sk_buff *skb, __u32 from, __u32 to, __u32 bytes, __u32 frame)
{
	struct data *buffer;
	__u32 zero = 0;

	buffer = bpf_map_lookup_elem(&moved, &zero);
	if (!buffer)
		return -1;
	if (!bytes)
		return bpf_skb_change_tail(skb, frame, 0);
	asm volatile("" : "+r"(bytes)); /* what follows is for the verifier */
	if (bytes - 1 >= MAX_MOVED_BYTES)
		return -1;
	if (bpf_skb_load_bytes(skb, from, buffer, bytes))
		return -1;
	if (bpf_skb_change_tail(skb, frame, 0))
		return -1;
	return bpf_skb_store_bytes(skb, to, buffer, bytes, BPF_F_RECOMPUTE_CSUM);
}

/* rewrite_partial moves the data. */
inlined long rewrite_partial(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set)
{
	struct change c = change(p, s);
	__u32 udp = ETH_HLEN + ip_bytes(s);
	__u32 check = udp + __builtin_offsetof(struct udphdr, check);
	__u32 from = udp + sizeof(struct udphdr) + (p->key.channel ? sizeof(struct channel_header) : 0);

	if (turn(skb, p, s))
		return -1;
	if (header_growth(p, s) && move(skb, from, from + header_growth(p, s), p->bytes, udp + udp_bytes(s, p)))
		return -1;
	if (bpf_l4_csum_replace(skb, check, 0, c.pseudo, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0) ||
	    bpf_l4_csum_replace(skb, check, 0, c.rest, BPF_F_MARK_MANGLED_0))
		return -1;
	return put(skb, p, s, set, 0, 0);
}

/* ---- 5 send ---- */

inlined int send(const struct step *s)
{
	struct bpf_redir_neigh next = {.nh_family = s->next_family == V4 ? AF_INET : AF_INET6};

	__builtin_memcpy(next.nexthop, &s->next, sizeof(next.nexthop));
	return bpf_redirect_neigh(s->ifindex, &next, sizeof(next), 0);
}

SEC("tcx/ingress")
int relay(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct settings *set = bpf_map_lookup_elem(&configured, &zero);
	struct packet p = {};
	struct step *s;
	int partial;
	long failed;

	s = find(skb, &p);
	if (!s || !set || ip_bytes(s) + udp_bytes(s, &p) > s->mtu)
		return TCX_NEXT;
	if (!p.check && s->family == V6)
		return TCX_NEXT; /* who has no checksum cannot be given one cheaply */
	partial = p.check && looks_partial(&p);
	if (partial && p.bytes > MAX_MOVED_BYTES)
		return TCX_NEXT;
	if (!within(s, set, p.bytes))
		return TCX_DROP;

	/* what pads the frame, or ChannelData, is not sent on */
	failed = skb->len > ETH_HLEN + p.all_bytes - p.padded && bpf_skb_change_tail(skb, ETH_HLEN + p.all_bytes - p.padded, 0);
	if (!failed)
		failed = partial ? rewrite_partial(skb, &p, s, set) : rewrite_whole(skb, &p, s, set);
	if (unlikely(failed)) {
		note_loss(s);
		return TCX_DROP;
	}
	note(s, p.bytes);
	return send(s);
}
