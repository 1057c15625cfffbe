// Package acl reads and makes the access lists of Windows: who can change a
// file, a folder or a process. On other systems it is empty.
package acl
