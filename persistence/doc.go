// Package persistence keeps rules, settings, programs seen and the activity
// log in one bbolt file, and backups of the rules beside it.
package persistence
