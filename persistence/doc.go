// Package persistence keeps rules, settings, programs seen and the activity
// log in one bbolt file, and backups of the rules beside it.
//
// The folder (0700) holds
//
//	sallyport.db                   the database (0600)
//	sallyport.db.lock              locked by the engine that uses the database
//	sallyport.db.damaged-TIME      a database that could not be read, set aside
//	backups/rules-TIME-HASH.toml   backups, as policy files; HASH is of the content
//
// The buckets of the database. A sealed value is a CRC-32C of key and text,
// then the text, which is JSON; numbers in keys are 8 bytes, big endian.
//
//	meta        format → sealed number; rules → sealed tally; log → sealed size
//	rules       rule ID → sealed rule
//	used        rule ID → sealed hits and last use
//	settings    name → sealed text; among them "mode", and "mode-timed" while one in its place ends by itself
//	seen        direction, program → sealed first, last, count
//	learned     direction, program → sealed destinations that mode learn let pass; may be missing
//	identities  path → sealed proof and stamp of the program that rules for it were made for
//	changes     number of a change → sealed change: who made it, what was before and after
//	log         line number → sealed line
//	programs    program → sealed number and count of its lines
//	index       program's number, line number → nothing: the lines of one program
//	aside       bucket, key → a value that could not be read, as it was
//
// Identities are in no export and no backup: they are of this computer's files
// as they were. Where one is missing, the file that is met first counts; where
// one cannot be read, none does until a person accepts it.
//
// A commit is on disk when it returns. bbolt has no checksums on its pages, so
// that Open checks the structure of the file, each record of the rules, and
// their tally: what is lost is noticed.
package persistence
