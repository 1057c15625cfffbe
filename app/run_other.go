//go:build !linux && !windows

package app

import "context"

func (e *env) runUnder(context.Context, []string) error { return errSystem }
