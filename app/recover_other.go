//go:build !linux && !windows

package app

func recoverBackend(bool) ([]string, error) { return nil, errSystem }
