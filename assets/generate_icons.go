//go:build ignore

// Draws the PNG files of the tray icons and of the app icon from the SVG files
// beside them, and the icon of the Windows program in the sizes that it shows.
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
	"github.com/tc-hib/winres"
)

func main() {
	icons, err := filepath.Glob("tray/*.svg")
	check(err)
	for _, icon := range icons {
		check(draw(icon, 48))
	}
	check(draw("icons/app.svg", 128))
	check(collect("icons/app.svg", "../packaging/windows/sallyport.ico", 16, 20, 24, 32, 48, 64, 256))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func draw(path string, size int) error {
	img, err := render(path, size)
	if err != nil {
		return err
	}
	f, err := os.Create(strings.TrimSuffix(path, ".svg") + ".png")
	if err != nil {
		return err
	}
	defer f.Close()
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	return encoder.Encode(f, img)
}

// collect draws an icon in several sizes, in pixels, into one ICO file.
func collect(path, into string, sizes ...int) error {
	var images []image.Image
	for _, size := range sizes {
		img, err := render(path, size)
		if err != nil {
			return err
		}
		images = append(images, img)
	}
	icon, err := winres.NewIconFromImages(images)
	if err != nil {
		return err
	}
	f, err := os.Create(into)
	if err != nil {
		return err
	}
	defer f.Close()
	return icon.SaveICO(f)
}

func render(path string, size int) (*image.RGBA, error) {
	svg, err := oksvg.ReadIcon(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	svg.SetTarget(0, 0, float64(size), float64(size))
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	svg.Draw(rasterx.NewDasher(size, size, rasterx.NewScannerGV(size, size, img, img.Bounds())), 1)
	return img, nil
}
