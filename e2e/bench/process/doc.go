// Package process is what the benchmarks know of processes: on which cores they run,
// and what they have used of the CPU and of memory. It reads /proc, so it takes Linux.
package process
