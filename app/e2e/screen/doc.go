// Package screen is the hand and the eye of tests and of the demonstration: it
// looks at an X server's screen, and clicks and types there as a person would.
package screen
