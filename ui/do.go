package ui

import (
	"context"
	"time"

	"fyne.io/fyne/v2"
)

// Everything that touches a widget runs on Fyne's goroutine; everything that
// may wait (each call of a Control) runs beside it. The functions here are the
// only ones that cross between the two.

// patience bounds a call of the Control. It is long because the system may ask
// for a password first.
const patience = 2 * time.Minute

// do runs f on Fyne's goroutine, in the order of the calls.
func (u *UI) do(f func()) {
	if u.options.Do != nil {
		u.options.Do(f)
		return
	}
	fyne.Do(f)
}

// work runs f beside Fyne's goroutine, then done with its error on Fyne's
// goroutine. A nil done shows the error, if any, in the main window.
func (u *UI) work(f func(context.Context) error, done func(error)) {
	if done == nil {
		done = u.fail
	}
	fetch(u, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) },
		func(_ struct{}, err error) { done(err) })
}

// fetch runs f beside Fyne's goroutine, then done with its results on Fyne's
// goroutine.
func fetch[T any](u *UI, f func(context.Context) (T, error), done func(T, error)) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		v, err := f(ctx)
		u.do(func() { done(v, err) })
	}()
}
