// Package interpreter knows the programs that run other programs from a file,
// and reads from their command lines which file that is.
//
// It is careful rather than complete: what it does not understand, and whatever
// has more than the script run (code on the command line, modules that are
// searched for, files that are loaded first), is inline code, of which nobody
// can say that it is this script. It does not look at the environment.
package interpreter
