package ui

import (
	"errors"
	"fmt"
	"image"
	"unsafe"

	"golang.org/x/sys/windows"
)

// iconInfo is user32's ICONINFO.
type iconInfo struct {
	isIcon             int32
	xHotspot, yHotspot uint32
	mask, color        windows.Handle
}

// bitmapInfo is gdi32's BITMAPINFOHEADER with the room for one colour.
type bitmapInfo struct {
	size          uint32
	width, height int32
	planes, bits  uint16
	compression   uint32
	imageSize     uint32
	xPels, yPels  int32
	used, counted uint32
	_             uint32
}

// iconImage draws an icon. Icons without transparency of their own have a mask.
func iconImage(icon uintptr) (*image.NRGBA, error) {
	var info iconInfo
	if ok, _, err := procGetIconInfo.Call(icon, uintptr(unsafe.Pointer(&info))); ok == 0 {
		return nil, fmt.Errorf("look into an icon: %w", err)
	}
	defer procDeleteObject.Call(uintptr(info.mask))
	defer procDeleteObject.Call(uintptr(info.color))
	if info.color == 0 {
		return nil, errors.New("an icon has no colours")
	}
	m, err := bitmapImage(info.color)
	if err != nil {
		return nil, err
	}
	if opaque(m) {
		mask, err := bitmapImage(info.mask)
		if err != nil {
			return nil, err
		}
		for i := 3; i < min(len(m.Pix), len(mask.Pix)); i += 4 {
			m.Pix[i] = ^mask.Pix[i-1] // white is transparent
		}
	}
	return m, nil
}

// opaque tells whether no pixel says how opaque it is.
func opaque(m *image.NRGBA) bool {
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] != 0 {
			return false
		}
	}
	return true
}

// maxIconSide bounds what is drawn, in pixels.
const maxIconSide = 512

// bitmapImage reads a bitmap's pixels.
func bitmapImage(bitmap windows.Handle) (*image.NRGBA, error) {
	screen, _, err := procGetDC.Call(0)
	if screen == 0 {
		return nil, fmt.Errorf("read an icon: %w", err)
	}
	defer procReleaseDC.Call(0, screen)
	info := bitmapInfo{size: 40}
	if ok, _, err := procGetDIBits.Call(screen, uintptr(bitmap), 0, 0, 0, uintptr(unsafe.Pointer(&info)), 0); ok == 0 {
		return nil, fmt.Errorf("read an icon's size: %w", err)
	}
	if info.width < 1 || info.height < 1 || info.width > maxIconSide || info.height > maxIconSide {
		return nil, fmt.Errorf("an icon of %d by %d pixels", info.width, info.height)
	}
	m := image.NewNRGBA(image.Rect(0, 0, int(info.width), int(info.height)))
	rows := uintptr(info.height)
	// A negative height has the top row first.
	info = bitmapInfo{size: 40, width: info.width, height: -info.height, planes: 1, bits: 32}
	if ok, _, err := procGetDIBits.Call(screen, uintptr(bitmap), 0, rows, uintptr(unsafe.Pointer(&m.Pix[0])), uintptr(unsafe.Pointer(&info)), 0); ok == 0 {
		return nil, fmt.Errorf("read an icon's pixels: %w", err)
	}
	for i := 0; i < len(m.Pix); i += 4 { // blue comes first
		m.Pix[i], m.Pix[i+2] = m.Pix[i+2], m.Pix[i]
	}
	return m, nil
}
