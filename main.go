// Sallyport asks before a program uses the network.
package main

import (
	"os"

	"sallyport.dev/sallyport/app"
)

func main() { os.Exit(app.Main(os.Args[1:])) }
