// Package arrivals is what everything that accepts connections needs to know:
// who counts as one, how many of them are here, and how long to wait when the
// system lets nobody in.
//
// It promises that what is counted is exact whatever comes at once, and gone from
// memory when it has left. What is done with one too many it leaves to others.
package arrivals
