package app

import "errors"

// errShown says that the desktop program runs already and was told to show itself.
var errShown = errors.New("the windows are open already and were brought to the front")
