// Package redispool is the waiting pool of several nodes, over Redis.
package redispool
