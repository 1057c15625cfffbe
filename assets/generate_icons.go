//go:build ignore

// Draws the PNG files of the tray icons and of the app icon from the SVG files
// beside them.
package main

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/fyne-io/oksvg"
	"github.com/srwiley/rasterx"
)

func main() {
	icons, err := filepath.Glob("tray/*.svg")
	check(err)
	for _, icon := range icons {
		check(draw(icon, 48))
	}
	check(draw("icons/app.svg", 128))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func draw(path string, size int) error {
	svg, err := oksvg.ReadIcon(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	svg.SetTarget(0, 0, float64(size), float64(size))
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	svg.Draw(rasterx.NewDasher(size, size, rasterx.NewScannerGV(size, size, img, img.Bounds())), 1)
	f, err := os.Create(strings.TrimSuffix(path, ".svg") + ".png")
	if err != nil {
		return err
	}
	defer f.Close()
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	return encoder.Encode(f, img)
}
