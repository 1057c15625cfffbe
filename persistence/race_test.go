//go:build race

package persistence

// raceDetector tells whether the tests run with -race.
const raceDetector = true
