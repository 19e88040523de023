// Package address finds the addresses at which clients reach this server,
// compares what is said about them, and keeps them true while they change.
//
//	PUBLIC_IPS ─────────────────────────────┐ wins, and is compared
//	interfaces, DNS of DOMAIN,              ▼
//	cloud metadata, STUN ──▶ reports ──▶ decision, IPv4 and IPv6 apart ──▶ Current, Changed
//	what visitors say ───────┐   │
//	                         ▼   ▼
//	                     contradictions ──▶ the log, once; readyz; a metric
//
// It promises that nobody is asked but the sources that were named, or whose
// cloud the firmware names; that a wrong, slow, huge or lying source costs a
// bounded time and memory; that strangers can at most raise a warning; and that
// a source which fails for a while changes nothing.
//
// It leaves to others what is done with the addresses: URLs, listeners, and
// what may be relayed to.
package address
